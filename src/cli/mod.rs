//! Floor 6: arguments become commands.

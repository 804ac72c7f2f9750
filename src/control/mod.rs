//! Floor 5: the control thread: everything slow, with the ecosystem's own libraries.

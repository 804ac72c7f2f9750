//! The one canonical form of a path.

/// What canonicalising found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Canonical {
    /// The path was canonical as it came; `out` is untouched.
    Already,
    /// The canonical form was written to `out`.
    Written,
}

/// Why a path is refused (400).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PathError(pub &'static str);

/// Makes `path` (without query, beginning with `/`) canonical.
///
/// # Errors
/// What is wrong with it.
pub fn canonicalise(_path: &[u8], _out: &mut Vec<u8>) -> Result<Canonical, PathError> {
    Ok(Canonical::Already)
}

//! Reads request and answer heads.

use crate::proto::head::{AnswerHead, RequestHead};
use crate::words::fault::Fault;

/// Bounds of one head.
#[derive(Clone, Copy, Debug)]
pub struct HeadLimits {
    /// Bytes of the whole head.
    pub bytes: usize,
    /// Field lines.
    pub lines: usize,
    /// Bytes of the request target.
    pub target_bytes: usize,
}

/// How far a head is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// Complete; `bytes` of the head says how long it was.
    Complete,
    /// More bytes are needed.
    Partial,
}

/// Reads a request head from the front of `buffer`. `seen` is how many bytes an earlier call with the same buffer
/// had already looked at (0 at first), so that a head that drips in costs linear time.
///
/// # Errors
/// The fault to answer with.
pub fn request(_buffer: &[u8], _seen: usize, _limits: &HeadLimits, _head: &mut RequestHead) -> Result<Progress, Fault> {
    Ok(Progress::Partial)
}

/// Reads an answer head. `to_head` says that the request was HEAD.
///
/// # Errors
/// The fault to answer with.
pub fn answer(
    _buffer: &[u8], _seen: usize, _limits: &HeadLimits, _to_head: bool, _head: &mut AnswerHead,
) -> Result<Progress, Fault> {
    Ok(Progress::Partial)
}

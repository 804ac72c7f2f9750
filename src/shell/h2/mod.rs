//! HTTP/2, carried by hyperium `h2` over a stream of ours; exchanges see HTTP/1.1 bytes (see `wire`).

pub mod adapter;
pub mod answer;
pub mod ask;
pub mod board;
pub mod down;
pub mod drive;
pub mod field;
pub mod sending;
pub mod trunk;
pub mod up;

use std::task::{Context, Poll};

use h2::RecvStream;

/// `h2` counts of the frames of DATA that it holds how much shorter than this they are, in bytes.
const SHORT_FRAME_BYTES: usize = 256;

/// Moves what has come of a body into `gathered`, until that is `enough`. `h2` holds each frame by itself, however small.
fn gather(stream: &mut RecvStream, cx: &mut Context<'_>, gathered: &mut Vec<u8>, enough: usize) {
    // An error comes again.
    while gathered.len() < enough
        && let Poll::Ready(Some(Ok(data))) = stream.poll_data(cx)
    {
        gathered.extend_from_slice(&data);
    }
}

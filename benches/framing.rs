//! What the framing of bodies costs: `cargo bench --bench framing`. The payload is 64 KiB in pieces as networks and
//! applications make them; a large piece shows what moving bytes costs, a small one what a frame costs.

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use ringway::proto::h1::chunked::Decoder;
use ringway::shell::body::{Incoming, Outgoing};
use ringway::shell::buffer::Buffer;

const PAYLOAD: usize = 64 * 1024;
/// Sizes of pieces: a line of a stream, a page, all at once.
const PIECES: [usize; 3] = [64, 4096, PAYLOAD];

fn main() {
    divan::main();
}

/// The whole body is there and is decoded in place.
#[divan::bench(args = PIECES)]
fn decode(bencher: Bencher<'_, '_>, piece: usize) {
    let wire = chunked(piece);
    let mut decoder = Decoder::default();
    bencher.counter(BytesCount::new(PAYLOAD)).with_inputs(|| wire.clone()).bench_local_refs(|wire| {
        decoder.reset();
        decoder.decode(black_box(wire))
    });
}

/// The body comes in reads that do not care for its chunks.
#[divan::bench(args = PIECES)]
fn decode_in_reads_of_1460(bencher: Bencher<'_, '_>, piece: usize) {
    let wire = chunked(piece);
    let mut decoder = Decoder::default();
    bencher.counter(BytesCount::new(PAYLOAD)).with_inputs(|| wire.clone()).bench_local_refs(|wire| {
        decoder.reset();
        wire.chunks_mut(1460).map(|read| decoder.decode(read).map_or(0, |decoded| decoded.payload)).sum::<usize>()
    });
}

/// Each piece is framed where it lies.
#[divan::bench(args = PIECES)]
fn encode(bencher: Bencher<'_, '_>, piece: usize) {
    let mut buffer = Buffer::with_capacity(2 * PAYLOAD);
    assert!(buffer.append(&vec![b'x'; piece]));
    bencher.counter(BytesCount::new(piece)).bench_local(|| {
        let fits = Outgoing::Chunked.frame(black_box(&mut buffer), true, b"");
        // Back to the payload alone, for the next round.
        buffer.consume(buffer.len() - piece - b"\r\n0\r\n\r\n".len());
        buffer.truncate(piece);
        fits
    });
}

/// A length needs no frame: counting only.
#[divan::bench]
fn take_by_length(bencher: Bencher<'_, '_>) {
    let mut buffer = Buffer::with_capacity(2 * PAYLOAD);
    assert!(buffer.append(&[b'x'; PAYLOAD]));
    let mut decoder = Decoder::default();
    bencher.bench_local(|| Incoming::Length(black_box(1 << 20)).take(&mut decoder, black_box(&mut buffer)));
}

/// The payload in chunks of `piece` bytes.
fn chunked(piece: usize) -> Vec<u8> {
    let mut wire = Vec::new();
    for _ in 0..PAYLOAD / piece {
        wire.extend_from_slice(format!("{piece:x}\r\n").as_bytes());
        wire.resize(wire.len() + piece, b'x');
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b"0\r\n\r\n");
    wire
}

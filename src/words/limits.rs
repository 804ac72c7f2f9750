//! Every bound of the program that the configuration does not set, in one place, with its reason.
//! Configurable bounds have their defaults here too.

use std::time::Duration;

// ------------------------------------------------------------------------------------------ heads

/// Default for `limits.header_bytes`: request line and header section together; more is 431 (or 414, see below).
pub const HEADER_BYTES: u64 = 32 * 1024;
/// Default for `limits.headers`: fields in one head; more is 431.
pub const HEADERS: u64 = 100;
/// Most that `limits.headers` may say.
pub const HEADERS_MAX: u64 = 1_000;
/// Most that `limits.header_bytes` may say: a head is one contiguous buffer with offsets of 32 bits.
pub const HEADER_BYTES_MAX: u64 = 1024 * 1024;
/// Default for `limits.target_bytes`: longer request targets are 414.
pub const TARGET_BYTES: u64 = 8 * 1024;
/// Longest method token; longer is 501 (RFC 9110 9.1 names no limit; the longest registered has 17 letters).
pub const METHOD_BYTES: usize = 32;
/// Empty lines that a client may send before a request line (RFC 9112 2.2 asks for at least one).
pub const LEADING_BLANK_LINES: usize = 4;
/// Host name in `Host`, in an absolute-form target or in a host pattern, without port: DNS has no longer ones
/// (RFC 1035 2.3.4).
pub const HOST_BYTES: usize = 255;
/// Options in all `Connection` lines of one head, `close`, `keep-alive`, `te` and `upgrade` apart: each costs a pass
/// over the lines.
pub const CONNECTION_OPTIONS: usize = 16;
/// Interim answers (1xx) of an upstream to one request.
pub const INTERIM_ANSWERS: u32 = 8;
/// Bytes that a client may send behind a request for an upgrade before it is granted; with more its connection ends.
pub const UPGRADE_EARLY_BYTES: usize = 16 * 1024;
/// Own pseudonym in `Via` more often than this is a loop: 508.
pub const VIA_REPEATS: usize = 3;

// ------------------------------------------------------------------------------------------ bodies

/// Default for `limits.body`: larger request bodies are 413.
pub const BODY_BYTES: u64 = 10 * 1024 * 1024;
/// Extensions of one chunk, in bytes; more is 400.
pub const CHUNK_EXTENSION_BYTES: usize = 256;
/// Extensions of all chunks of one body, in bytes; more is 400.
pub const CHUNK_EXTENSIONS_TOTAL_BYTES: usize = 16 * 1024;
/// One trailer section, in bytes; more is 400 (502 from an upstream).
pub const TRAILER_BYTES: usize = 8 * 1024;
/// Fields in one trailer section.
pub const TRAILERS: usize = 32;
/// Unread request body that is drained after a local answer to keep the connection; more closes it.
pub const DRAIN_BYTES: u64 = 64 * 1024;
/// Time for that drain.
pub const DRAIN_TIME: Duration = Duration::from_secs(5);
/// Time to wait for a client to close after our last byte, while bytes of it are still in flight (RFC 9112 9.6).
pub const LINGER_TIME: Duration = Duration::from_secs(2);
/// Default for `limits.body_rate`: bytes per second that a request body must keep up after its grace.
pub const BODY_RATE: u64 = 240;
/// Grace before the minimum body rate is enforced.
pub const BODY_RATE_GRACE: Duration = Duration::from_secs(10);

// ------------------------------------------------------------------------------------------ times

/// Default for `timeouts.head`: a request head must be complete in this time; else 408.
pub const HEAD_TIME: Duration = Duration::from_secs(10);
/// Default for `timeouts.connect`.
pub const CONNECT_TIME: Duration = Duration::from_secs(1);
/// Default for `timeouts.first_byte`: from the request sent to the answer's head.
pub const FIRST_BYTE_TIME: Duration = Duration::from_secs(10);
/// Default for `timeouts.request`: the whole exchange.
pub const REQUEST_TIME: Duration = Duration::from_secs(15);
/// Default for `timeouts.idle`: no byte moved, in a body, a stalled write, or between requests.
pub const IDLE_TIME: Duration = Duration::from_secs(60);
/// Default for `server.drain_timeout`.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);
/// The cores' tick: batches between cores, mail from control, sweeps.
pub const TICK: Duration = Duration::from_millis(10);
/// An answer that takes longer than this is worth watching whether its client is still there, on a connection that
/// carries no other request.
pub const WATCH_AFTER: Duration = Duration::from_millis(100);
/// Accepting pauses this long when the process is out of file descriptors or memory.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

// ------------------------------------------------------------------------------------------ connections

/// Default for `limits.connections`: downstream connections of one listener on one worker; more get 503.
pub const CONNECTIONS: u64 = 100_000;
/// Default for `limits.connections_per_address`: of one client address on one worker; more get 429.
pub const CONNECTIONS_PER_ADDRESS: u64 = 10_000;
/// Default for `upstreams.<name>.idle_connections`, per worker.
pub const IDLE_CONNECTIONS: u64 = 128;
/// Default for `upstreams.<name>.idle_timeout`: an idle upstream connection is closed after this.
pub const UPSTREAM_IDLE_TIME: Duration = Duration::from_secs(30);
/// A PROXY header of version 1, its CRLF included: the protocol's own bound.
pub const PROXY_LINE_BYTES: usize = 107;
/// A PROXY header of version 2, with all that it has beside addresses; the protocol would allow 65,551.
pub const PROXY_HEADER_BYTES: usize = 4096;
/// A PROXY header must be complete in this time: whoever sends one sends it at once.
pub const PROXY_HEADER_TIME: Duration = Duration::from_secs(5);
/// Endpoints of an upstream that one exchange tries, one after the other, while they cannot be connected to or give no
/// answer at all. A request that kills its servers shall not kill them all.
pub const ENDPOINTS_TRIED: usize = 3;
/// Accepts in flight on one listener of one worker.
pub const ACCEPTS_IN_FLIGHT: usize = 4;
/// The kernel's accept queue of a listener.
pub const BACKLOG: i32 = 4096;

// ------------------------------------------------------------------------------------------ HTTP/2

/// Streams that a client may have open on one connection: as many as RFC 9113 6.5.2 asks for at least. An exchange that
/// waits holds some KiB, and what all of them hold together is to stay below 1 MiB.
pub const H2_STREAMS: u32 = 100;
/// What may be received on one stream before it is read.
pub const H2_STREAM_WINDOW: u32 = 64 * 1024 - 1;
/// What may be received on one connection before it is read, all streams together.
pub const H2_CONNECTION_WINDOW: u32 = 96 * 1024;
/// What `h2` holds of the answers of one connection, all streams together, as memory. Bodies are held only where the
/// client's windows allow them, and all of it only until its socket takes it.
pub const H2_QUEUED_BYTES: usize = 128 * 1024;
/// Of those, bytes of one stream.
pub const H2_QUEUED_BYTES_OF_STREAM: usize = 64 * 1024;
/// Answer bytes of one connection that its streams hold because the client's windows are full. Over it the next piece
/// of an answer is read into a small buffer: so every stream goes on, and a hundred of them hold 125 KiB more.
pub const H2_WAITING_BYTES: usize = 64 * 1024;
/// Heads of the requests that are served on one connection, as text; over it more streams are refused. So many streams as
/// there may be have room for heads as long as most are: with more they are fewer.
pub const H2_HEADS_BYTES: usize = 160 * 1024;
/// What is read and dropped behind our last frame, so that the client sees it and not a reset: what a client may have
/// sent before it heard of it.
pub const H2_LINGER_BYTES: usize = 4 * 1024 * 1024;
/// Streams of one connection whose heads have come and of which it is not known yet whether `h2` takes them. It decides
/// within the turn; older ones are forgotten, and at worst an answer of its own is not counted.
pub const H2_UNOPENED: usize = 64;
/// Header blocks that are decoded in one turn of a connection: each may be many times what it was on the wire.
pub const H2_BLOCKS_PER_TURN: u32 = 4;
/// Frames of bodies that are taken in one turn of a connection: each is held by itself until its stream takes it.
pub const H2_PIECES_PER_TURN: u32 = 100;
/// Frames of a few bytes, of bodies that streams of one connection cannot take yet; more end the connection.
pub const H2_PIECES_HELD: usize = 512;
/// Bytes of a client's frames that are taken in one turn of its connection.
pub const H2_BYTES_PER_TURN: usize = 64 * 1024;
/// Turns that a connection has before others of its core have theirs: a client whose requests are always there shall not
/// have the core for itself.
pub const H2_TURNS: u32 = 2;
/// Connections to upstreams that are made or closed for the streams of one connection in a turn of the loop: for each,
/// the kernel takes as long as for some exchanges.
pub const H2_STEPS: usize = 1;
/// CONTINUATION frames of one header block.
pub const H2_CONTINUATIONS: u32 = 8;
/// Bytes of one header block on the wire.
pub const H2_BLOCK_BYTES: u32 = 64 * 1024;
/// The time in which resets and control frames are counted.
pub const H2_WINDOW_TIME: Duration = Duration::from_secs(10);
/// Resets of streams in that time, by either side, that no share of the streams opened excuses.
pub const H2_RESETS: u32 = 100;
/// Frames in that time that carry no work: PING, SETTINGS, PRIORITY, WINDOW_UPDATE, empty DATA, unknown ones.
pub const H2_CONTROL_FRAMES: u32 = 1_000;
/// Such frames that a stream explains.
pub const H2_CONTROL_FRAMES_PER_STREAM: u32 = 10;
/// Such frames that a DATA frame of ours explains: two windows grow, and some clients measure with a PING.
pub const H2_CONTROL_FRAMES_PER_DATA: u32 = 4;

// ------------------------------------------------------------------------------------------ TLS

/// A client's TLS handshake must be over in this time.
pub const TLS_ACCEPT_TIME: Duration = Duration::from_secs(10);
/// An upstream's TLS handshake must be over in this time.
pub const TLS_CONNECT_TIME: Duration = Duration::from_secs(3);
/// Handshakes of clients in flight on one worker; the oldest gives way to one more. A handshake in flight holds about
/// 10 KiB.
pub const TLS_HANDSHAKES: usize = 1024;
/// Sealed bytes of one connection that wait for its socket: all that a large buffer holds, as sixteen records.
pub const TLS_FLIGHT_BYTES: usize = 272 * 1024;
/// Records in a row that carry no data, from one peer; more end the connection.
pub const TLS_IDLE_RECORDS: u32 = 32;
/// One handshake message behind the handshake; the longest that means anything is a ticket.
pub const TLS_MESSAGE_BYTES: usize = 72 * 1024;
/// Records that one key seals before it is exchanged: half of what AES-GCM allows (RFC 8446 5.5).
pub const TLS_KEY_RECORDS: u64 = 1 << 23;

// ------------------------------------------------------------------------------------------ HTTP/2 to upstreams

/// Connections to one endpoint of one core; who finds no stream on them waits.
pub const TRUNKS: usize = 16;
/// Streams in use on one of them, however many its peer would take: with the windows below this bounds what a
/// connection holds for clients that do not read.
pub const TRUNK_STREAMS: usize = 128;
/// A fresh connection whose peer takes no stream in this time is given up; who waits for it has `timeouts.connect`.
pub const OPEN_TIME: Duration = Duration::from_secs(2);
/// What a peer may send on one stream before it is taken: a stalled stream holds no more.
pub const STREAM_WINDOW: u32 = 128 * 1024;
/// The same for a connection: all of its streams may stall, and none stalls another.
pub const TRUNK_WINDOW: u32 = STREAM_WINDOW * TRUNK_STREAMS as u32;
/// What one stream holds for a peer that does not take it.
pub const STREAM_SEND_BYTES: usize = 64 * 1024;
/// Frames of a few bytes, of answers on one connection, that are not taken yet; more end the connection. They are taken
/// in the turn in which they come: as many as one may bring.
pub const TRUNK_PIECES_HELD: usize = 256 * 1024;
/// Fields of one answer, as HPACK counts them (32 bytes a field beside its text). More resets the stream; what the
/// listener's `limits.header_bytes` refuse comes before it unless they are raised.
pub const ANSWER_FIELDS_BYTES: u32 = 128 * 1024;
/// Streams of one connection whose answers are whole and whose ends have not come.
pub const TRUNK_REMAINS: usize = 16;
/// They are reset when their ends do not come in this time.
pub const REMAIN_TIME: Duration = Duration::from_secs(1);
/// A connection with streams in use on which nothing was heard for this long is asked with PING whether it lives.
pub const PING_AFTER: Duration = Duration::from_secs(5);
/// It must answer within this.
pub const PING_TIME: Duration = Duration::from_secs(5);
/// And is not asked again for so long while nothing else comes: gRPC servers end connections that ask more often
/// than every five minutes.
pub const PING_AGAIN: Duration = Duration::from_secs(6 * 60);

// ------------------------------------------------------------------------------------------ plan

/// Listeners in one plan.
pub const LISTENERS_MAX: usize = 1_000;
/// Routes in one plan.
pub const ROUTES_MAX: usize = 1_000_000;
/// Upstreams in one plan.
pub const UPSTREAMS_MAX: usize = 100_000;
/// Sections of `[tls]` in one plan.
pub const TLS_MAX: usize = 1_000;
/// Certificates of one section of `[tls]`.
pub const CERTIFICATES_MAX: usize = 10_000;
/// Endpoints of one upstream.
pub const ENDPOINTS_MAX: usize = 1_000;
/// Segments of a route's path, and parameters among them.
pub const PATH_SEGMENTS_MAX: usize = 64;
/// `{parameters}` of one route's path.
pub const CAPTURES_MAX: usize = 16;
/// One compiled `path_regex`, in bytes of automaton.
pub const REGEX_BYTES: usize = 1024 * 1024;
/// Pairs of states that are looked at to prove two expressions disjoint; more counts as "may both match".
pub const REGEX_PAIRS: usize = 16 * 1024;
/// Bytes of all configuration files together.
pub const CONFIG_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Depth of `include`.
pub const INCLUDE_DEPTH_MAX: usize = 8;
/// Files of one configuration.
pub const CONFIG_FILES_MAX: usize = 100_000;
/// Complaints about one configuration that are listed; the rest is counted.
pub const COMPLAINTS_MAX: usize = 10_000;
/// Names that one run compares in search of "did you mean"; after that complaints come without it.
pub const NAMES_COMPARED_MAX: usize = 1_000_000;
/// Body of one `respond`, in bytes.
pub const RESPOND_BODY_MAX: u64 = 16 * 1024 * 1024;
/// Weight of one endpoint or of one part of a split.
pub const WEIGHT_MAX: u64 = 1_000_000;
/// Targets of one split.
pub const SPLIT_MAX: usize = 100;
/// Longest duration that the configuration may name; "none" is the word for longer.
pub const DURATION_MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);

// ------------------------------------------------------------------------------------------ certificates

/// Largest file of certificates, keys or revocation lists.
pub const CERTIFICATE_FILE_BYTES: u64 = 16 * 1024 * 1024;
/// Files of certificates are looked at this often. What changed is read once it stood still from one look to the next,
/// so that a pair of files is not read between its two writes.
pub const CERTIFICATES_LOOK: Duration = Duration::from_secs(1);
/// A certificate that ends within this time is warned about.
pub const CERTIFICATE_WARNING: Duration = Duration::from_secs(14 * 24 * 60 * 60);
/// TLS sessions kept for one upstream, all its endpoints together, to be resumed.
pub const UPSTREAM_SESSIONS: usize = 256;

// ------------------------------------------------------------------------------------------ observation

/// Access-log bytes that one core holds for the writer; when full, lines are dropped and counted.
pub const LOG_BUFFER_BYTES: usize = 1024 * 1024;
/// One access-log line; longer fields are cut.
pub const LOG_LINE_BYTES: usize = 8 * 1024;

//! The fault table: everything that can go wrong with an exchange, and all that follows from it.
//!
//! One constant row per [`Kind`]. Nobody decides a status, a retry or a log level anywhere else, and nobody matches
//! on text. Sources: statuses RFC 9110 15, problem types RFC 9457, proxy error types RFC 9209 2.3, gRPC codes as in
//! grpc's HTTP mapping.

/// Whose fault it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Blame {
    /// The client sent something wrong, or too much, or too slowly.
    Client,
    /// Ringway itself could not do it.
    Gateway,
    /// The upstream failed.
    Upstream,
    /// The configuration leaves no way to answer.
    Operator,
}

/// How loudly a fault is logged.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// Ordinary life at the edge.
    Debug,
    /// Worth a line.
    Info,
    /// An operator may want to act.
    Warn,
    /// An operator must act.
    Error,
}

/// What is known about one kind of fault.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The kind this row speaks of.
    pub kind: Kind,
    /// HTTP status of the answer; 499 is logged and never sent (the client is gone).
    pub status: u16,
    /// Last part of the problem type URI `tag:ringway,2026:problem/<slug>` and the value in logs and metrics.
    pub slug: &'static str,
    /// RFC 9457 `title`: short, the same for every occurrence.
    pub title: &'static str,
    /// RFC 9209 error type for `Proxy-Status`.
    pub token: &'static str,
    /// Who is to blame.
    pub blame: Blame,
    /// Another endpoint might do better with the same request.
    pub retryable: bool,
    /// Counts against the endpoint's health and the upstream's breaker.
    pub trips: bool,
    /// Log level.
    pub level: Level,
    /// gRPC status code for gRPC clients.
    pub grpc: u8,
    /// The downstream connection cannot be used again: its framing is lost or its peer is refused.
    pub closes: bool,
}

macro_rules! faults {
    ($($(#[$doc:meta])* $kind:ident = $status:literal $slug:literal $title:literal, $token:literal,
        $blame:ident, $level:ident, grpc $grpc:literal $(, $flag:ident)* ;)*) => {
        /// Every kind of fault.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u8)]
        pub enum Kind {
            $($(#[$doc])* $kind,)*
        }

        /// The table, in the order of [`Kind`].
        pub const TABLE: &[Row] = &[
            $(Row {
                kind: Kind::$kind, status: $status, slug: $slug, title: $title, token: $token,
                blame: Blame::$blame, level: Level::$level, grpc: $grpc,
                retryable: faults!(@has retryable $($flag)*),
                trips: faults!(@has trips $($flag)*),
                closes: faults!(@has closes $($flag)*),
            },)*
        ];
    };
    (@has retryable retryable $($rest:ident)*) => { true };
    (@has trips trips $($rest:ident)*) => { true };
    (@has closes closes $($rest:ident)*) => { true };
    (@has $want:ident $other:ident $($rest:ident)*) => { faults!(@has $want $($rest)*) };
    (@has $want:ident) => { false };
}

faults! {
    /// The request head breaks the grammar of RFC 9112, or its meaning is ambiguous.
    BadRequest = 400 "bad-request" "The request is malformed", "http_request_error", Client, Info, grpc 13, closes;
    /// The request target is not a path that can be made canonical.
    BadTarget = 400 "bad-target" "The request target is malformed", "http_request_error", Client, Info, grpc 13, closes;
    /// Missing, repeated or malformed Host.
    BadHost = 400 "bad-host" "The Host field is missing or malformed", "http_request_error", Client, Info, grpc 13, closes;
    /// Content-Length and Transfer-Encoding are wrong or contradict each other.
    BadFraming = 400 "bad-framing" "The message framing is ambiguous", "http_request_error", Client, Warn, grpc 13, closes;
    /// The body breaks the chunked grammar.
    BadChunk = 400 "bad-chunk" "The chunked body is malformed", "http_request_error", Client, Warn, grpc 13, closes;
    /// The client ended its body early.
    BodyIncomplete = 400 "body-incomplete" "The request body ended early", "http_request_error", Client, Info, grpc 13, closes;
    /// The route does not allow the protocol that `Upgrade` asks for. RFC 9209 2.3 recommends 403 for what a gateway's own
    /// rules deny. What the client sends next may be in that protocol already, so nothing of it is read.
    UpgradeRefused = 403 "upgrade-refused" "The connection cannot be upgraded to this protocol", "http_request_denied", Client, Info, grpc 7, closes;
    /// More came ahead of an upgrade than is held for it.
    UpgradeEarly = 400 "upgrade-early" "Too much was sent before the upgrade was granted", "http_request_error", Client, Info, grpc 13, closes;
    /// No route matches.
    NotFound = 404 "no-route" "No route matches the request", "http_request_denied", Client, Debug, grpc 12;
    /// Routes match, none with this method.
    MethodNotAllowed = 405 "method-not-allowed" "The method is not allowed here", "http_request_denied", Client, Debug, grpc 12;
    /// The head was not complete in time.
    HeadTimeout = 408 "head-timeout" "The request head took too long", "http_request_error", Client, Info, grpc 4, closes;
    /// The body came too slowly.
    BodyTimeout = 408 "body-timeout" "The request body came too slowly", "http_request_error", Client, Info, grpc 4, closes;
    /// Body over `limits.body`.
    BodyTooLarge = 413 "body-too-large" "The request body is too large", "http_request_denied", Client, Info, grpc 8, closes;
    /// Target over `limits.target_bytes`.
    TargetTooLong = 414 "target-too-long" "The request target is too long", "http_request_denied", Client, Info, grpc 3, closes;
    /// An expectation other than 100-continue.
    ExpectationFailed = 417 "expectation-failed" "The expectation cannot be met", "http_request_denied", Client, Info, grpc 3, closes;
    /// The request came over a connection that is not meant for its host.
    Misdirected = 421 "misdirected-request" "This connection does not serve that host", "http_request_denied", Client, Info, grpc 12, closes;
    /// Too many connections of one client address.
    AddressConnections = 429 "too-many-connections" "Too many connections from this address", "connection_limit_reached", Client, Info, grpc 8, closes;
    /// Head over `limits.header_bytes` or `limits.headers`.
    HeadTooLarge = 431 "head-too-large" "The request header fields are too large", "http_request_denied", Client, Info, grpc 8, closes;
    /// The client went away; logged as 499 and never sent.
    ClientGone = 499 "client-gone" "The client closed the connection", "connection_terminated", Client, Debug, grpc 1, closes;
    /// Something in Ringway failed, a panic included.
    Internal = 500 "internal" "The gateway failed", "proxy_internal_error", Gateway, Error, grpc 13, closes;
    /// A method, target form or transfer coding that Ringway does not do (CONNECT among them).
    NotImplemented = 501 "not-implemented" "The gateway does not implement this", "http_request_denied", Client, Info, grpc 12, closes;
    /// The upstream refused the connection or cannot be reached.
    ConnectRefused = 502 "connection-refused" "The upstream refused the connection", "connection_refused", Upstream, Warn, grpc 14, retryable, trips;
    /// The upstream's certificate is not good for it.
    TlsCertificate = 502 "tls-certificate" "The upstream's certificate is not accepted", "tls_certificate_error", Upstream, Error, grpc 14, retryable, trips;
    /// The upstream refused the TLS handshake with an alert.
    TlsAlert = 502 "tls-alert" "The upstream refused the TLS handshake", "tls_alert_received", Upstream, Warn, grpc 14, retryable, trips;
    /// No TLS could be agreed on with the upstream.
    TlsProtocol = 502 "tls-protocol" "No TLS could be spoken with the upstream", "tls_protocol_error", Upstream, Warn, grpc 14, retryable, trips;
    /// The upstream closed or reset the connection before its answer began.
    UpstreamClosed = 502 "upstream-closed" "The upstream closed the connection", "connection_terminated", Upstream, Warn, grpc 14, retryable, trips;
    /// The upstream's answer breaks the protocol.
    UpstreamProtocol = 502 "upstream-protocol" "The upstream sent a malformed answer", "http_protocol_error", Upstream, Warn, grpc 13, trips;
    /// The upstream's answer ended early. Before the head this is 502; after it the connection is cut.
    UpstreamIncomplete = 502 "upstream-incomplete" "The upstream's answer ended early", "http_response_incomplete", Upstream, Warn, grpc 13, trips;
    /// The upstream's header section is too large.
    UpstreamHeadTooLarge = 502 "upstream-head-too-large" "The upstream's header fields are too large", "http_response_header_section_size", Upstream, Warn, grpc 13, trips;
    /// More interim answers than `limits::INTERIM_ANSWERS`.
    UpstreamInterim = 502 "upstream-interim" "The upstream sent too many interim answers", "http_protocol_error", Upstream, Warn, grpc 13, trips;
    /// The upstream switched protocols unasked.
    UpstreamUpgrade = 502 "upstream-upgrade" "The upstream switched protocols unasked", "http_upgrade_failed", Upstream, Warn, grpc 13, trips;
    /// No endpoint can be used.
    NoEndpoint = 503 "no-endpoint" "No upstream endpoint is available", "destination_unavailable", Upstream, Warn, grpc 14;
    /// Connections of this worker over `limits.connections`.
    WorkerConnections = 503 "too-many-connections-here" "The gateway has too many connections", "connection_limit_reached", Gateway, Warn, grpc 14, closes;
    /// Connecting took longer than `timeouts.connect`.
    ConnectTimeout = 504 "connect-timeout" "Connecting to the upstream took too long", "connection_timeout", Upstream, Warn, grpc 4, retryable, trips;
    /// The TLS handshake with the upstream took longer than `limits::TLS_CONNECT_TIME`.
    TlsTimeout = 504 "tls-timeout" "The TLS handshake with the upstream took too long", "connection_timeout", Upstream, Warn, grpc 4, retryable, trips;
    /// No answer within `timeouts.first_byte`.
    FirstByteTimeout = 504 "first-byte-timeout" "The upstream took too long to answer", "http_response_timeout", Upstream, Warn, grpc 4, trips;
    /// The exchange took longer than `timeouts.request`.
    RequestTimeout = 504 "request-timeout" "The exchange took too long", "http_response_timeout", Upstream, Warn, grpc 4, trips;
    /// Nothing moved in a tunnel for `timeouts.idle`. Its exchange was answered with 101 long before.
    TunnelIdle = 504 "tunnel-idle" "The tunnel was idle for too long", "connection_read_timeout", Client, Info, grpc 4, closes;
    /// No byte moved to or from the upstream for `timeouts.idle`.
    UpstreamStalled = 504 "upstream-stalled" "The upstream stalled", "connection_read_timeout", Upstream, Warn, grpc 4, trips;
    /// An HTTP version other than 1.0 and 1.1.
    VersionNotSupported = 505 "version-not-supported" "This HTTP version is not supported", "http_request_error", Client, Info, grpc 12, closes;
    /// Own pseudonym in `Via` too often.
    LoopDetected = 508 "loop-detected" "The request went through this gateway too often", "proxy_loop_detected", Operator, Error, grpc 13, closes;
}

impl Kind {
    /// This kind's row.
    #[must_use]
    pub const fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }
}

/// The stage of an exchange in which a fault happened (ARCHITECTURE.md, "The data path").
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// Taking the connection.
    Accept,
    /// Reading and checking the request head.
    ReadHead,
    /// Finding the route.
    Route,
    /// Deciding whether the exchange may go on.
    Admit,
    /// Choosing an endpoint.
    Select,
    /// Sending the request.
    Forward,
    /// Reading the answer.
    Receive,
    /// Sending the answer.
    Respond,
}

/// One fault: its kind, where it happened, and a detail for the log. The detail never reaches a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// What went wrong.
    pub kind: Kind,
    /// In which stage.
    pub stage: Stage,
    /// The rule that was broken, in a few words, for the log.
    pub detail: &'static str,
}

impl Fault {
    /// A fault of `kind` in `stage`.
    #[must_use]
    pub const fn new(kind: Kind, stage: Stage, detail: &'static str) -> Self {
        Self { kind, stage, detail }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_in_the_order_of_their_kinds() {
        for (position, row) in TABLE.iter().enumerate() {
            assert_eq!(row.kind as usize, position, "{:?}", row.kind);
        }
    }

    #[test]
    fn slugs_are_unique_and_statuses_are_errors() {
        for (position, row) in TABLE.iter().enumerate() {
            assert!((400..600).contains(&row.status), "{:?}", row.kind);
            assert!(TABLE[..position].iter().all(|other| other.slug != row.slug), "{}", row.slug);
        }
    }
}

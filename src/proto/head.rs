//! A message head as offsets into the buffer it was received in.
//!
//! One index serves every version of HTTP: `h1::parse` fills it from HTTP/1.x bytes. It is reused from message to
//! message, so that parsing allocates nothing once its vector has grown.

/// A range of the receive buffer.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One behind the last byte.
    pub end: u32,
}

impl Span {
    /// The bytes it covers.
    #[must_use]
    pub fn of<'b>(&self, buffer: &'b [u8]) -> &'b [u8] {
        &buffer[self.start as usize..self.end as usize]
    }

    /// True when it covers nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.start == self.end
    }
}

/// One field line.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    /// Its name, in the case it came in.
    pub name: Span,
    /// Its value, without white space around it.
    pub value: Span,
    /// Which field it is, where Ringway cares.
    pub known: Known,
    /// Ends at this hop, so it is never copied to the other side: framing (`Content-Length` too, because Ringway frames
    /// each message anew), connection-specific, nominated by `Connection` (RFC 9110 7.6.1), or a [`Known::Twin`].
    pub hop: bool,
}

/// Fields that Ringway reads, writes or guards; everything else is `Other` and passes through untouched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Known {
    /// Any other field.
    Other,
    /// `Accept`
    Accept,
    /// `Connection`
    Connection,
    /// `Content-Length`
    ContentLength,
    /// `Content-Type`
    ContentType,
    /// `Date`
    Date,
    /// `Expect`
    Expect,
    /// `Forwarded`
    Forwarded,
    /// `Host`
    Host,
    /// `Keep-Alive`
    KeepAlive,
    /// `Max-Forwards`
    MaxForwards,
    /// `Proxy-Connection`
    ProxyConnection,
    /// `Referer`
    Referer,
    /// `Server`
    Server,
    /// `TE`
    Te,
    /// `traceparent`
    Traceparent,
    /// `tracestate`
    Tracestate,
    /// `Trailer`
    Trailer,
    /// `Transfer-Encoding`
    TransferEncoding,
    /// A guarded or framing field's name spelt with `_` for `-` (`X_Forwarded_For`): some servers take it for the field.
    Twin,
    /// `Upgrade`
    Upgrade,
    /// `User-Agent`
    UserAgent,
    /// `Via`
    Via,
    /// `X-Forwarded-For`
    XForwardedFor,
    /// `X-Forwarded-Host`
    XForwardedHost,
    /// `X-Forwarded-Proto`
    XForwardedProto,
    /// `X-Forwarded-Port`, `X-Forwarded-Server`, any other `X-Forwarded-*`
    XForwardedOther,
    /// `X-Real-IP`
    XRealIp,
    /// `X-Request-Id`
    XRequestId,
}

/// A version of HTTP.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    #[default]
    Http11,
    /// HTTP/2. Its messages have the form of HTTP/1.1 here.
    Http2,
}

impl Version {
    /// `1.0`, `1.1` or `2.0`, as `Via` writes it (RFC 9110 7.6.3).
    #[must_use]
    pub const fn number(self) -> &'static str {
        match self {
            Self::Http10 => "1.0",
            Self::Http11 => "1.1",
            Self::Http2 => "2.0",
        }
    }
}

/// A method. Case-sensitive (RFC 9110 9.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u8)]
pub enum Method {
    /// GET
    #[default]
    Get,
    /// HEAD
    Head,
    /// POST
    Post,
    /// PUT
    Put,
    /// DELETE
    Delete,
    /// CONNECT
    Connect,
    /// OPTIONS
    Options,
    /// TRACE
    Trace,
    /// PATCH
    Patch,
    /// QUERY (RFC 10008)
    Query,
    /// Any other token; its bytes are in `RequestHead::method_span`.
    Other,
}

impl Method {
    /// The method that `token` names.
    #[must_use]
    pub fn of(token: &[u8]) -> Self {
        match token {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"POST" => Self::Post,
            b"PUT" => Self::Put,
            b"DELETE" => Self::Delete,
            b"CONNECT" => Self::Connect,
            b"OPTIONS" => Self::Options,
            b"TRACE" => Self::Trace,
            b"PATCH" => Self::Patch,
            b"QUERY" => Self::Query,
            _ => Self::Other,
        }
    }

    /// How many there are, for tables indexed by method.
    pub const COUNT: usize = Self::Other as usize + 1;

    /// Safe to send again without harm (RFC 9110 9.2.2; QUERY by RFC 10008).
    #[must_use]
    pub const fn is_idempotent(self) -> bool {
        matches!(self, Self::Get | Self::Head | Self::Put | Self::Delete | Self::Options | Self::Trace | Self::Query)
    }
}

/// How a request's body is delimited.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum RequestBody {
    /// There is none.
    #[default]
    None,
    /// Exactly this many bytes, at least one.
    Length(u64),
    /// Chunked.
    Chunked,
}

/// How an answer's body is delimited (RFC 9112 6.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum AnswerBody {
    /// There is none: HEAD, 1xx, 204, 304, or a length of 0.
    #[default]
    None,
    /// Exactly this many bytes, at least one.
    Length(u64),
    /// Chunked.
    Chunked,
    /// Until the upstream closes.
    UntilClose,
}

/// The form of a request target (RFC 9112 3.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum TargetForm {
    /// `/path?query`
    #[default]
    Origin,
    /// `http://host/path?query`; its authority replaces Host.
    Absolute,
    /// `*`, OPTIONS only.
    Asterisk,
}

/// A request head that obeys every rule of `h1::parse`.
#[derive(Clone, Debug, Default)]
pub struct RequestHead {
    /// The method.
    pub method: Method,
    /// Its bytes.
    pub method_span: Span,
    /// The form of the target.
    pub form: TargetForm,
    /// The path as it came (not canonical), without query; `*` for asterisk-form; empty for `http://host`.
    pub path: Span,
    /// The query without `?`.
    pub query: Option<Span>,
    /// Host with port as it came: from the target's authority, else from Host; `None` only in HTTP/1.0.
    pub host: Option<Span>,
    /// The version.
    pub version: Version,
    /// The field lines, in order.
    pub lines: Vec<Line>,
    /// How the body is delimited.
    pub body: RequestBody,
    /// What `Content-Length` said; `Some(0)` comes with [`RequestBody::None`].
    pub length: Option<u64>,
    /// The client will send another request on this connection if we let it.
    pub is_persistent: bool,
    /// The client waits for 100 before it sends its body; never in HTTP/1.0 or without a body (RFC 9110 10.1.1).
    pub expects_continue: bool,
    /// `TE: trailers` was there.
    pub accepts_trailers: bool,
    /// `Upgrade` named something, `Connection` nominated it, the version is 1.1 and there is no body (RFC 9110 7.8).
    /// Never for `h2c`, which is not forwarded (RFC 9113 3.1 deprecates it).
    pub asks_upgrade: bool,
    /// Bytes of the head, the empty line included; the body starts here.
    pub bytes: usize,
}

/// An answer head that obeys every rule of `h1::parse`.
#[derive(Clone, Debug, Default)]
pub struct AnswerHead {
    /// 100 to 599.
    pub status: u16,
    /// The reason phrase as it came.
    pub reason: Span,
    /// The version.
    pub version: Version,
    /// The field lines, in order.
    pub lines: Vec<Line>,
    /// How the body is delimited.
    pub body: AnswerBody,
    /// What `Content-Length` said, also where no body follows it (HEAD, 304).
    pub length: Option<u64>,
    /// The upstream keeps the connection open: false for 101 and whenever the body ends with the connection.
    pub is_persistent: bool,
    /// Bytes of the head, the empty line included.
    pub bytes: usize,
}

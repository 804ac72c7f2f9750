//! Templates: text with `{variables}` from a closed list, checked when the plan is compiled; no logic.

/// A compiled template.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    /// In order.
    pub pieces: Vec<Piece>,
}

/// One piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Goes out as it stands.
    Text(String),
    /// Is filled in for each exchange.
    Variable(Variable),
}

/// The closed list. The name in a template stands behind each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Variable {
    /// `{client.ip}`: the client's address by `trusted_proxies`.
    ClientIp,
    /// `{client.port}`: the peer's port; empty when a proxy spoke for the client.
    ClientPort,
    /// `{request.id}`.
    RequestId,
    /// `{request.method}`.
    RequestMethod,
    /// `{request.scheme}`: `http` or `https`.
    RequestScheme,
    /// `{request.host}`: lower case, without port.
    RequestHost,
    /// `{request.path}`: canonical.
    RequestPath,
    /// `{request.query}`: without `?`.
    RequestQuery,
    /// `{trace.id}`: 32 hex digits.
    TraceId,
    /// `{server.name}`.
    ServerName,
    /// `{listener.name}`.
    ListenerName,
    /// `{route.name}`; `-` when none matched (logs).
    RouteName,
    /// `{name}`: the path parameter at this position of the route's path.
    Capture(u8),
    /// `{upstream.name}`; logs and response edits.
    UpstreamName,
    /// `{upstream.status}`; logs.
    UpstreamStatus,
    /// `{upstream.duration}`: seconds; logs.
    UpstreamDuration,
    /// `{upstream.address}`; logs.
    UpstreamAddress,
    /// `{response.status}`; logs.
    ResponseStatus,
    /// `{response.bytes}`: body bytes sent; logs.
    ResponseBytes,
    /// `{request.bytes}`: body bytes received; logs.
    RequestBytes,
    /// `{request.version}`: `HTTP/1.1`; logs.
    RequestVersion,
    /// `{request.user_agent}`; logs.
    UserAgent,
    /// `{request.referer}`; logs.
    Referer,
    /// `{duration}`: seconds; logs.
    Duration,
    /// `{time}`: RFC 3339, UTC, milliseconds; logs.
    Time,
    /// `{attempts}`; logs.
    Attempts,
    /// `{error}`: the fault's slug, `-` when none; logs.
    Error,
}

impl Template {
    /// A template of plain text.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self { pieces: vec![Piece::Text(text.to_owned())] }
    }

    /// Writes the template to `out`; `fill` writes each variable.
    pub fn render(&self, out: &mut Vec<u8>, mut fill: impl FnMut(Variable, &mut Vec<u8>)) {
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Variable(variable) => fill(*variable, out),
            }
        }
    }
}

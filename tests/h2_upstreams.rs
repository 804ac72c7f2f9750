//! HTTP/1.1 clients reach origins that speak HTTP/2: heads, bodies, trailers and ends are the same on both sides.

use std::sync::Arc;

use h2::Reason;

use crate::support::h2_origin::{Call, H2Origin};
use crate::support::wire::{Broken, Framing};
use crate::support::{Gate, Gateway};

/// Forwards everything to `origin` over h2c; `more` holds further tables of the configuration.
fn before(origin: &H2Origin, more: &str) -> Gateway {
    let endpoint = origin.endpoint();
    Gateway::with(&format!(
        "[upstreams.origin]\nendpoints = [\"{endpoint}\"]\nprotocol = \"h2c\"\n\
         [routes.all]\npath = \"/*\"\nupstream = \"origin\"\n{more}"
    ))
}

#[test]
fn a_request_and_its_answer_keep_their_meaning() {
    let origin = H2Origin::serving(|mut call: Call| async move {
        call.read().await;
        call.answer(201, &[("content-length", "5"), ("x-a", "1"), ("set-cookie", "a=1"), ("set-cookie", "b=2")])
            .end("hello");
    });
    let gateway = before(&origin, "");
    let answer = gateway.client().ask(
        "POST /a%2Fb?q=%20 HTTP/1.1\r\nhost: api.test\r\ncontent-length: 4\r\nx-one: 1\r\ncookie: a=1; b=2\r\n\
         te: trailers\r\nconnection: te, x-gone\r\nx-gone: 1\r\n\r\nbody",
    );
    assert_eq!((answer.status, answer.text()), (201, "hello"));
    assert_eq!((answer.fields.get("x-a"), answer.fields.all("set-cookie")), (Some("1"), vec!["a=1", "b=2"]));
    assert_eq!(answer.fields.get("via"), Some("2 ringway"));
    let asked = origin.request();
    assert_eq!((asked.method.as_str(), asked.uri.as_str()), ("POST", "http://api.test/a%2Fb?q=%20"));
    assert_eq!(asked.body, b"body");
    for (name, value) in [
        ("x-one", Some("1")),
        ("cookie", Some("a=1; b=2")),
        ("te", Some("trailers")),
        ("content-length", Some("4")),
        ("host", None),
        ("x-gone", None),
        ("connection", None),
        ("via", Some("1.1 ringway")),
    ] {
        assert_eq!(asked.field(name), value, "{name}");
    }
}

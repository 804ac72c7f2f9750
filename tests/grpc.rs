//! gRPC passes over HTTP/2 on both sides, all four kinds of it, with deadlines, cancellation and errors of ours; and
//! gRPC-Web clients reach gRPC servers.

use std::sync::Arc;

use bytes::Bytes;
use h2::Reason;

use crate::support::h2_client::{H2Client, with_client};
use crate::support::h2_origin::{Call, H2Origin};
use crate::support::wire::Framing;
use crate::support::{Gate, Gateway, Origin};

const GRPC: (&str, &str) = ("content-type", "application/grpc+proto");
const TE: (&str, &str) = ("te", "trailers");

/// Takes HTTP/2 and forwards everything to `endpoint` over h2c; `more` holds further tables of the configuration.
fn before_with(endpoint: &str, route: &str, more: &str) -> Gateway {
    Gateway::start(&format!(
        "[server]\nworkers = 1\n[listeners.web]\naddress = \"127.0.0.1:0\"\nprotocols = [\"h2\", \"http/1.1\"]\n\
         [admin]\naddress = \"127.0.0.1:0\"\n[upstreams.origin]\nendpoints = [\"{endpoint}\"]\nprotocol = \"h2c\"\n\
         [routes.all]\npath = \"/test.Echo/*\"\nupstream = \"origin\"\n{route}\n{more}"
    ))
}

fn before(origin: &H2Origin) -> Gateway {
    before_with(&origin.endpoint(), "", "")
}

/// A message in gRPC's frame.
fn message(payload: &[u8]) -> Vec<u8> {
    [&[0], &(payload.len() as u32).to_be_bytes()[..], payload].concat()
}

#[test]
fn a_unary_call_keeps_its_metadata_message_and_trailers() {
    let origin = H2Origin::serving(|mut call: Call| async move {
        let asked = call.read().await;
        let mut body = call.answer(200, &[GRPC, ("x-meta", "1"), ("y-bin", "AAEC")]);
        body.send(asked.body);
        body.trailers(&[("grpc-status", "0"), ("grpc-message", "a%20b"), ("z-bin", "/w")]);
    });
    with_client(&before(&origin), |mut client: H2Client| async move {
        let sent = message(b"hello");
        let fields = [GRPC, TE, ("x-meta", "1"), ("y-bin", "AAEC"), ("grpc-encoding", "identity")];
        let answer = client.ask("POST", "/test.Echo/Unary", &fields, &sent).await;
        assert_eq!((answer.status, answer.field("x-meta"), answer.field("y-bin")), (200, Some("1"), Some("AAEC")));
        assert_eq!((answer.field("content-length"), &answer.body), (None, &sent));
        assert_eq!(answer.trailers.len(), 3);
        assert_eq!(answer.trailers.get("z-bin").unwrap(), "/w");
    });
    let asked = origin.request();
    assert_eq!((asked.field("te"), asked.field("y-bin")), (Some("trailers"), Some("AAEC")));
    assert_eq!(asked.field("content-type"), Some("application/grpc+proto"));
    assert!(asked.field("grpc-timeout").is_some_and(|left| left.ends_with('u')), "{asked:?}");
}

#[test]
fn an_answer_of_trailers_only_stays_one() {
    let origin = H2Origin::serving(|mut call: Call| async move {
        call.read().await;
        call.answer_bodiless(200, &[GRPC, ("grpc-status", "5"), ("grpc-message", "no such thing")]);
    });
    with_client(&before(&origin), |mut client: H2Client| async move {
        let answer = client.ask("POST", "/test.Echo/Unary", &[GRPC, TE], &message(b"")).await;
        assert!(answer.is_bodiless && answer.trailers.is_empty());
        assert_eq!((answer.field("grpc-status"), answer.field("content-length")), (Some("5"), None));
    });
}

#[test]
fn both_ways_of_a_call_flow_at_once() {
    let origin = H2Origin::serving(|mut call: Call| async move {
        // The answer begins before anything of the request has come, and each message is answered before the next.
        let mut body = call.answer(200, &[GRPC]);
        while let Some(bytes) = call.piece().await {
            body.send(bytes);
        }
        body.send("over");
        body.trailers(&[("grpc-status", "0")]);
    });
    with_client(&before(&origin), |mut client: H2Client| async move {
        let mut asking = client.begin("POST", "/test.Echo/Bidi", &[GRPC, TE], false).await;
        let mut answer = asking.answer().await;
        for number in 0..50 {
            let sent = message(format!("message {number}").as_bytes());
            asking.send(&sent, false).await;
            let mut echoed = Vec::new();
            while echoed.len() < sent.len() {
                echoed.extend_from_slice(&answer.piece().await.unwrap().expect("the call goes on"));
            }
            assert_eq!(echoed, sent);
        }
        asking.body.send_data(Bytes::new(), true).unwrap();
        answer.read().await.unwrap();
        assert_eq!((answer.body.as_slice(), answer.trailer("grpc-status")), (&b"over"[..], Some("0")));
    });
}

#[test]
fn an_answer_may_end_before_its_request_and_ends_the_call() {
    let origin = H2Origin::serving(|mut call: Call| async move {
        call.piece().await;
        call.answer_bodiless(200, &[GRPC, ("grpc-status", "9")]);
    });
    let gateway = before(&origin);
    with_client(&gateway, |mut client: H2Client| async move {
        for _ in 0..3 {
            let mut asking = client.begin("POST", "/test.Echo/Client", &[GRPC, TE], false).await;
            asking.send(&message(b"one"), false).await;
            assert_eq!(asking.answer().await.field("grpc-status"), Some("9"));
            // Whoever goes on sending is told that nobody reads.
            let reset = std::future::poll_fn(|cx| asking.body.poll_reset(cx)).await.unwrap();
            assert_eq!(reset, Reason::NO_ERROR);
        }
        let mut asking = client.begin("POST", "/test.Echo/Client", &[GRPC, TE], false).await;
        asking.send(&message(b"one"), true).await;
        assert_eq!(asking.answer().await.field("grpc-status"), Some("9"));
    });
    assert_eq!(origin.connections(), 1);
}

#[test]
fn messages_of_several_megabytes_pass_both_ways() {
    let origin = H2Origin::serving(|mut call: Call| async move {
        let mut body = call.answer(200, &[GRPC]);
        while let Some(bytes) = call.piece().await {
            body.send(bytes);
        }
        body.trailers(&[("grpc-status", "0")]);
    });
    with_client(&before(&origin), |mut client: H2Client| async move {
        let payload: Vec<u8> = (0..4_000_000_u32).map(|at| (at % 253) as u8).collect();
        let sent = message(&payload);
        let mut asking = client.begin("POST", "/test.Echo/Bidi", &[GRPC, TE], false).await;
        let expected = sent.len();
        let sending = tokio::spawn(async move {
            asking.send(&sent, true).await;
            let mut answer = asking.answer().await;
            answer.read().await.unwrap();
            answer
        });
        // Nobody reads until all was sent: what is on the way waits in windows, and does not grow.
        let answer = sending.await.unwrap();
        assert_eq!(answer.body.len(), expected);
        assert!(answer.body[5..] == payload);
        assert_eq!(answer.trailer("grpc-status"), Some("0"));
    });
}

#[test]
fn a_deadline_bounds_the_call_and_both_sides_learn_of_it() {
    let origin = H2Origin::serving(|mut call: Call| async move { call.await_reset().await });
    with_client(&before(&origin), |mut client: H2Client| async move {
        let fields = [GRPC, TE, ("grpc-timeout", "150m")];
        let answer = client.ask("POST", "/test.Echo/Unary", &fields, &message(b"")).await;
        assert_eq!((answer.status, answer.field("grpc-status"), answer.is_bodiless), (200, Some("4"), true));
        assert_eq!(answer.field("content-type"), Some("application/grpc"));
    });
    assert_eq!(origin.await_cut(), "CANCEL");
    let left: u64 = origin.request().field("grpc-timeout").unwrap().trim_end_matches('u').parse().unwrap();
    assert!(left <= 150_000, "{left}");
}

#[test]
fn a_deadline_within_the_answer_ends_it_with_its_status() {
    let origin = H2Origin::serving(|mut call: Call| async move {
        let mut body = call.answer(200, &[GRPC]);
        body.send("first");
        while call.piece().await.is_some() {}
    });
    with_client(&before(&origin), |mut client: H2Client| async move {
        let fields = [GRPC, TE, ("grpc-timeout", "500m")];
        let mut answer = client.begin("POST", "/test.Echo/Bidi", &fields, false).await.answer().await;
        answer.read().await.expect("it ends, and is not reset");
        assert_eq!((answer.body.as_slice(), answer.trailer("grpc-status")), (&b"first"[..], Some("4")));
    });
    let cut = origin.await_cut();
    assert!(cut.contains("no longer needed"), "{cut}");
}

#[test]
fn an_upstream_that_breaks_off_within_the_answer_is_told_by_the_status() {
    let origin = H2Origin::serving(|mut call: Call| async move {
        let mut body = call.answer(200, &[GRPC]);
        body.send("first");
        call.piece().await;
        body.reset(Reason::INTERNAL_ERROR);
    });
    let gateway = before(&origin);
    with_client(&gateway, |mut client: H2Client| async move {
        let mut asking = client.begin("POST", "/test.Echo/Bidi", &[GRPC, TE], false).await;
        let mut answer = asking.answer().await;
        assert_eq!(answer.piece().await.unwrap().unwrap(), "first");
        asking.send(&message(b"go on"), false).await;
        answer.read().await.expect("it ends, and is not reset");
        assert_eq!(answer.trailer("grpc-status"), Some("13"));
    });
    // A client of gRPC-Web reads it at the end of the body, in either form.
    for media in ["application/grpc-web", "application/grpc-web-text"] {
        let head = format!("POST /test.Echo/Bidi HTTP/1.1\r\nhost: a\r\ncontent-type: {media}\r\n");
        let mut client = gateway.client();
        client.send(format!("{head}transfer-encoding: chunked\r\n\r\n"));
        assert_eq!(client.answer_head().status, 200);
        client.send("8\r\nAAAAAAAA\r\n");
        let body = client.wire().body(Framing::Chunked).expect("it ends, and is not cut").bytes;
        let got = if media.contains("text") { from_base64(std::str::from_utf8(&body).unwrap()) } else { body };
        assert!(got.starts_with(b"first\x80\0\0\0") && got.ends_with(b"\r\n"), "{got:?}");
        assert!(String::from_utf8_lossy(&got).contains("grpc-status: 13\r\n"), "{got:?}");
    }
}

#[test]
fn a_route_bounds_the_deadline_and_may_leave_it_to_the_client() {
    let origin = H2Origin::serving(|mut call: Call| async move { call.answer_bodiless(200, &[GRPC]) });
    let timeout = |route: &str, fields: &[(&'static str, &'static str)]| {
        let gateway = before_with(&origin.endpoint(), route, "");
        let fields = [&[GRPC, TE], fields].concat();
        with_client(&gateway, |mut client: H2Client| async move {
            client.ask("POST", "/test.Echo/Unary", &fields, &message(b"")).await;
        });
        origin.requests().last().unwrap().field("grpc-timeout").map(str::to_owned)
    };
    assert_eq!(timeout("timeouts.request = \"none\"", &[]), None);
    let hours = timeout("timeouts.request = \"none\"", &[("grpc-timeout", "2H")]).unwrap();
    assert!(hours == "7200000m" || hours.starts_with("7199") && hours.ends_with('m'), "{hours}");
    let seconds = timeout("timeouts.request = \"20s\"", &[("grpc-timeout", "2H")]).unwrap();
    assert!(seconds == "20000000u" || seconds.starts_with("199") && seconds.ends_with('u'), "{seconds}");
}

#[test]
fn what_the_pages_advise_for_calls_that_last_is_taken() {
    let origin = H2Origin::serving(|mut call: Call| async move { call.answer_bodiless(200, &[GRPC]) });
    let route = "timeouts = { request = \"none\", first_byte = \"none\", idle = \"1h\" }\nlimits.body = \"1GiB\"";
    with_client(&before_with(&origin.endpoint(), route, ""), |mut client: H2Client| async move {
        assert_eq!(client.ask("POST", "/test.Echo/Unary", &[GRPC, TE], b"").await.status, 200);
    });
}

#[test]
fn a_client_that_cancels_cancels_upstream() {
    let began = Arc::new(Gate::default());
    let held = Arc::clone(&began);
    let origin = H2Origin::serving(move |mut call: Call| {
        let began = Arc::clone(&held);
        async move {
            let mut body = call.answer(200, &[GRPC]);
            body.send("first");
            began.open();
            while call.piece().await.is_some() {}
        }
    });
    with_client(&before(&origin), |mut client: H2Client| async move {
        let mut asking = client.begin("POST", "/test.Echo/Bidi", &[GRPC, TE], false).await;
        let mut answer = asking.answer().await;
        assert_eq!(answer.piece().await.unwrap().unwrap(), "first");
        asking.body.send_reset(Reason::CANCEL);
        drop((asking, answer));
        tokio::task::spawn_blocking(move || began.pass()).await.unwrap();
    });
    let cut = origin.await_cut();
    assert!(cut.contains("no longer needed"), "{cut}");
}

#[test]
fn errors_of_the_gateway_come_as_grpc_status() {
    let refusing = Origin::refusing();
    let gateway = before_with(refusing.endpoint(), "", "");
    with_client(&gateway, |mut client: H2Client| async move {
        for (path, media, status) in [
            ("/test.Echo/Unary", "application/grpc", "14"),
            ("/nowhere", "application/grpc", "12"),
            ("/test.Echo/Unary", "application/grpc-web+proto", "14"),
        ] {
            let answer = client.ask("POST", path, &[("content-type", media), TE], &message(b"")).await;
            assert_eq!((answer.status, answer.field("grpc-status")), (200, Some(status)), "{path}");
            assert!(answer.is_bodiless && answer.field("grpc-message").is_some());
            assert_eq!(answer.field("content-type"), Some(media.trim_end_matches("+proto")));
        }
        let answer = client.ask("POST", "/nowhere", &[("content-type", "application/json")], b"{}").await;
        assert_eq!(answer.status, 404);
    });
}

/// `bytes` in base64, by another way than the gateway's.
fn base64(bytes: &[u8]) -> String {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bits = String::new();
    bytes.iter().for_each(|byte| bits += &format!("{byte:08b}"));
    bits += &"0".repeat((6 - bits.len() % 6) % 6);
    let mut text: String = (0..bits.len() / 6)
        .map(|at| char::from(digits[usize::from_str_radix(&bits[6 * at..6 * at + 6], 2).unwrap()]))
        .collect();
    text += &"=".repeat((4 - text.len() % 4) % 4);
    text
}

/// The bytes that padded pieces of base64 stand for.
fn from_base64(text: &str) -> Vec<u8> {
    let digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let groups = text.as_bytes().chunks(4).map(|group| {
        let bits: String = group
            .iter()
            .filter(|byte| **byte != b'=')
            .map(|byte| format!("{:06b}", digits.find(char::from(*byte)).expect("base64")))
            .collect();
        (0..bits.len() / 8).map(|at| u8::from_str_radix(&bits[8 * at..8 * at + 8], 2).unwrap()).collect::<Vec<u8>>()
    });
    groups.flatten().collect()
}

fn echoing() -> H2Origin {
    H2Origin::serving(|mut call: Call| async move {
        let asked = call.read().await;
        if asked.body == message(b"fail") {
            call.answer_bodiless(200, &[GRPC, ("grpc-status", "5")]);
            return;
        }
        let mut body = call.answer(200, &[GRPC]);
        body.send(asked.body.clone());
        body.send(asked.body);
        body.trailers(&[("grpc-status", "0"), ("x-sum", "7")]);
    })
}

#[test]
fn grpc_web_reaches_grpc_in_both_forms() {
    let origin = echoing();
    let gateway = before(&origin);
    let sent = message(b"hello, web");
    let trailers = b"grpc-status: 0\r\nx-sum: 7\r\n";
    let end = [&[0x80, 0, 0, 0, trailers.len() as u8], &trailers[..]].concat();
    let expected = [&sent[..], &sent, &end].concat();
    let mut client = gateway.client();
    for media in ["application/grpc-web+proto", "application/grpc-web-text+proto"] {
        let is_text = media.contains("text");
        // Two pieces, each padded by itself, as browsers may send them.
        let body =
            if is_text { base64(&sent[..4]) + &base64(&sent[4..]) } else { String::from_utf8(sent.clone()).unwrap() };
        let head = format!("POST /test.Echo/Unary HTTP/1.1\r\nhost: a\r\ncontent-type: {media}\r\nx-grpc-web: 1\r\n");
        client.send(format!("{head}content-length: {}\r\n\r\n", body.len())).send(&body);
        let answer = client.answer();
        assert_eq!((answer.status, answer.fields.get("content-type")), (200, Some(media)));
        assert_eq!(answer.framing, Framing::Chunked);
        let got = if is_text { from_base64(answer.text()) } else { answer.body.clone() };
        assert_eq!(got, expected, "{media}");
        let asked = origin.requests().pop().unwrap();
        assert_eq!(
            (asked.field("content-type"), asked.field("te")),
            (Some("application/grpc+proto"), Some("trailers"))
        );
        assert_eq!(asked.body, sent);
        // Chunk by chunk, cut anywhere.
        client.send(format!("{head}transfer-encoding: chunked\r\n\r\n"));
        for piece in body.as_bytes().chunks(3) {
            client.send(format!("{:x}\r\n", piece.len())).send(piece).send("\r\n");
        }
        client.send("0\r\n\r\n");
        let answer = client.answer();
        let got = if is_text { from_base64(answer.text()) } else { answer.body };
        assert_eq!(got, expected, "{media} in chunks");
    }
    with_client(&gateway, |mut client: H2Client| async move {
        let answer = client.ask("POST", "/test.Echo/Unary", &[("content-type", "application/grpc-web")], &sent).await;
        assert_eq!((answer.body, answer.trailers.len()), (expected, 0));
    });
}

#[test]
fn grpc_web_learns_of_errors_by_fields() {
    let origin = echoing();
    let gateway = before(&origin);
    let mut client = gateway.client();
    let mut ask = |media: &str, body: &[u8]| {
        let length = body.len();
        client.send(format!(
            "POST /test.Echo/Unary HTTP/1.1\r\nhost: a\r\ncontent-type: {media}\r\ncontent-length: {length}\r\n\r\n"
        ));
        client.send(body);
        client.answer()
    };
    let answer = ask("application/grpc-web", &message(b"fail"));
    assert_eq!((answer.fields.get("grpc-status"), answer.body.len()), (Some("5"), 0));
    assert_eq!(answer.fields.get("content-type"), Some("application/grpc-web+proto"));
    let answer = ask("application/grpc-web-text", b"no base64!!!");
    assert_eq!((answer.status, answer.fields.get("grpc-status"), answer.body.len()), (200, Some("13"), 0));
    assert_eq!(answer.fields.get("content-type"), Some("application/grpc-web-text"));
}

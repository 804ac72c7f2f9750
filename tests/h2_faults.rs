//! Origins that refuse, go away, reset, stall or break HTTP/2: what was not touched is sent again whatever its method,
//! what may have been is not, and no answer that was cut looks whole.

use crate::support::h2_script::{DATA, END, END_HEADERS, HEADERS, PUSH_PROMISE, Script, block, playing};
use crate::support::wire::Broken;
use crate::support::{Gateway, Origin};

fn before(origin: &Origin, more: &str) -> Gateway {
    let endpoint = origin.endpoint();
    Gateway::with(&format!(
        "[upstreams.origin]\nendpoints = [\"{endpoint}\"]\nprotocol = \"h2c\"\n{more}\n\
         [routes.all]\npath = \"/*\"\nupstream = \"origin\""
    ))
}

fn get() -> String {
    "GET / HTTP/1.1\r\nhost: a\r\n\r\n".to_owned()
}

fn post() -> String {
    "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody".to_owned()
}

/// Answers all requests of a connection.
fn serve(script: &mut Script<'_>) {
    while let Some(stream) = script.request() {
        script.answer(stream, "served");
    }
}

const NO_ERROR: u32 = 0;
const INTERNAL_ERROR: u32 = 2;
const REFUSED_STREAM: u32 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;

#[test]
fn streams_that_a_goaway_leaves_out_are_sent_again_and_the_others_finish() {
    let origin = playing(&[], |script| {
        if script.number > 1 {
            return serve(script);
        }
        let (first, second) = (script.request().unwrap(), script.request().unwrap());
        script.go_away(first, NO_ERROR);
        // The one that was not left out is answered although the other went elsewhere meanwhile.
        script.answer(first, "first");
        assert_eq!((first, second), (1, 3));
        script.rest();
    });
    for request in [get(), post()] {
        let gateway = before(&origin, "");
        let (mut one, mut two) = (gateway.client(), gateway.client());
        one.send(&request);
        two.send(&request);
        let answers = [one.answer().text().to_owned(), two.answer().text().to_owned()];
        assert!(answers.contains(&"served".to_owned()), "{answers:?}");
    }
}

#[test]
fn what_a_peer_says_it_has_not_touched_is_sent_again_whatever_its_method() {
    for way in ["goaway", "calm", "refused", "early"] {
        let origin = playing(&[], move |script| {
            if script.number > 1 {
                return serve(script);
            }
            if way == "early" {
                // Before any request has come: whoever asks at this moment is left out.
                script.go_away(0, NO_ERROR);
                return script.rest();
            }
            let stream = script.request().unwrap();
            match way {
                "goaway" => script.go_away(0, NO_ERROR),
                "calm" => script.go_away(0, ENHANCE_YOUR_CALM),
                _ => {
                    script.reset(stream, REFUSED_STREAM);
                    return serve(script);
                }
            }
            script.rest();
        });
        let gateway = before(&origin, "");
        assert_eq!(gateway.client().ask(&post()).text(), "served", "{way}");
        let retries = gateway.metric("ringway_retries_total{reason=\"unprocessed\"}") as u64;
        // Whether the first one had asked before it was left out, the network decides.
        assert!(retries == 1 || (way == "early" && retries == 0), "{way}: {retries}");
    }
}

#[test]
fn what_may_have_been_touched_is_sent_again_only_when_that_does_no_harm() {
    for way in ["reset", "lost", "broken"] {
        let faulty = || {
            playing(&[], move |script| {
                while let Some(stream) = script.request() {
                    match way {
                        "reset" => script.reset(stream, INTERNAL_ERROR),
                        "lost" => return,
                        _ => script.send(HEADERS, END_HEADERS, stream, b"\xff\xff\xff\xff"),
                    }
                }
            })
        };
        let (faulty, other) = (faulty(), playing(&[], serve));
        let gateway = Gateway::with(&format!(
            "[upstreams.origin]\nendpoints = [\"{}\", \"{}\"]\nprotocol = \"h2c\"\n\
             [routes.all]\npath = \"/*\"\nupstream = \"origin\"",
            faulty.endpoint(),
            other.endpoint()
        ));
        let statuses = |request: &str| {
            let mut statuses = [0, 0].map(|_| gateway.client().ask(request).status);
            statuses.sort_unstable();
            statuses
        };
        assert_eq!(statuses(&post()), [200, 502], "{way}");
        let gets = if way == "broken" { [200, 502] } else { [200, 200] };
        assert_eq!(statuses(&get()), gets, "{way}");
    }
}

/// Begins an answer and does not finish it as announced.
fn break_word(script: &mut Script<'_>, stream: u32, way: &str) {
    let length = if way == "long" { "2" } else { "9" };
    script.head(stream, &[("content-length", length)], 0);
    match way {
        "short" => script.send(DATA, END, stream, b"part"),
        "long" => script.send(DATA, END, stream, b"much more"),
        _ => script.send(DATA, 0, stream, b"part"),
    }
    match way {
        "reset" => script.reset(stream, NO_ERROR),
        // Left out although its answer had begun.
        "goaway" => script.go_away(0, NO_ERROR),
        "push" => script.send(PUSH_PROMISE, END_HEADERS, stream, b"\0\0\0\x02\x88"),
        _ => {}
    }
}

#[test]
fn an_answer_that_breaks_its_word_is_never_whole() {
    for way in ["short", "long", "reset", "lost", "goaway", "push"] {
        let origin = playing(&[], move |script| {
            while let Some(stream) = script.request() {
                break_word(script, stream, way);
                if way == "lost" {
                    return;
                }
            }
        });
        let gateway = before(&origin, "");
        for request in [get(), post()] {
            let mut client = gateway.client();
            client.send(&request);
            match client.try_answer() {
                Ok(answer) => assert_eq!(answer.status, 502, "{way}: {answer:?}"),
                Err(broken) => assert!(matches!(broken, Broken::Cut | Broken::Reset), "{way}: {broken:?}"),
            }
        }
    }
}

#[test]
fn heads_that_http_1_cannot_carry_are_the_upstreams_fault() {
    let long = "x".repeat(70_000);
    let heads: Vec<Vec<(&str, String)>> = vec![
        vec![("connection", "close".into())],
        vec![("transfer-encoding", "chunked".into())],
        vec![("X-Upper", "1".into())],
        vec![("x-long", long)],
        vec![("content-length", "1".into()), ("content-length", "1".into())],
        vec![("content-length", "+1".into())],
        vec![("x-line", "a\r\nb: c".into())],
        vec![("x-nul", "a\0b".into())],
        vec![("x y", "1".into())],
        vec![(":status", "200".into())],
    ];
    let count = heads.len();
    let origin = playing(&[], move |script| {
        while let Some(stream) = script.request() {
            let fields = &heads[(script.number - 1) % count];
            let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let block = [vec![0x88], block(&fields)].concat();
            // A frame takes 16 KiB.
            let mut pieces = block.chunks(16_000).peekable();
            let mut kind = HEADERS;
            while let Some(piece) = pieces.next() {
                let flags = if pieces.peek().is_none() { END_HEADERS } else { 0 };
                script.send(kind, flags, stream, piece);
                kind = 9;
            }
            script.send(DATA, END, stream, b"x");
        }
    });
    for number in 0..count {
        // A gateway of its own each, so that each has a connection of its own.
        let answer = before(&origin, "").client().ask(&post());
        assert_eq!(answer.status, 502, "{number}");
    }
}

#[test]
fn a_hundred_interim_answers_are_too_many() {
    let origin = playing(&[], |script| {
        while let Some(stream) = script.request() {
            for _ in 0..100 {
                script.send(HEADERS, END_HEADERS, stream, &[&[8, 3][..], b"103"].concat());
            }
            script.answer(stream, "late");
        }
    });
    let gateway = before(&origin, "");
    let mut client = gateway.client();
    client.send(get());
    let mut interims = 0;
    let last = loop {
        let answer = client.answer();
        if answer.status >= 200 {
            break answer;
        }
        interims += 1;
    };
    assert_eq!((interims, last.status), (8, 502));
}

#[test]
fn a_peer_that_takes_no_body_stalls_its_stream_alone() {
    // SETTINGS_INITIAL_WINDOW_SIZE is 0, and no WINDOW_UPDATE comes.
    let origin = playing(&[(4, 0)], |script| {
        while let Some(frame) = script.until(HEADERS) {
            if frame.flags & END != 0 {
                script.answer(frame.stream, "served");
            }
        }
    });
    let gateway = before(&origin, "timeouts.idle = \"300ms\"");
    let (mut stalled, mut other) = (gateway.client(), gateway.client());
    stalled.send(post());
    for _ in 0..3 {
        assert_eq!(other.ask(&get()).text(), "served");
    }
    assert_eq!(stalled.answer().status, 504);
    assert_eq!(origin.connections(), 1);
}

//! `explain` judges every route by itself; the router walks a tree. They must come to the same end.

use ringway::cli::explain::{Arguments, Format};
use ringway::plan::explain::{Explainer, Loss};
use ringway::plan::router::Outcome;

use crate::tables::{self, Random, table};

#[test]
fn explain_and_the_router_agree_on_random_requests() {
    let mut total = 0;
    let mut outranked = 0;
    for seed in 10_000..10_250 {
        let mut random = Random::new(seed);
        let size = 1 + random.below(60);
        let (table, router) = table(&mut random, size);
        let explainer = Explainer::new(&table);
        for _ in 0..400 {
            let question = tables::request(&mut random);
            let told = explainer.explain(&question);
            let clue = || format!("seed {seed}: {question:?}\n{told:?}");
            match router.find(&question) {
                Outcome::Found(route, captures) => {
                    let winner = told.winner.as_ref().unwrap_or_else(|| panic!("{}", clue()));
                    assert_eq!(winner.wanted.route, route, "{}", clue());
                    for (index, (_, value)) in winner.captures.iter().enumerate() {
                        assert_eq!(captures.get(index, question.path.as_bytes()), Some(value.as_bytes()), "{}", clue());
                    }
                }
                Outcome::MethodNotAllowed => {
                    assert!(told.winner.is_none() && !told.allowed.is_empty(), "{}", clue());
                    assert_eq!(router.allowed(&question), Vec::from_iter(told.allowed.clone()), "{}", clue());
                }
                Outcome::NotFound => assert!(told.winner.is_none() && told.allowed.is_empty(), "{}", clue()),
            }
            assert_eq!(told.losers.len() + usize::from(told.winner.is_some()), table.len(), "{}", clue());
            outranked += told.losers.iter().filter(|(_, loss)| matches!(loss, Loss::Outranked(_))).count();
            total += 1;
        }
    }
    assert!(total >= 100_000 && outranked > 1_000, "{total} {outranked}");
}

const SHOP: &str = r#"
[listeners.public]
address = "127.0.0.1:8080"
[listeners.old]
address  = "127.0.0.1:8081"
redirect = { scheme = "https", host = "shop.example" }

[defaults]
timeouts = { request = "7s" }

[routes.orders]
hosts    = ["api.example"]
path     = "/orders/{id}/*"
methods  = ["GET", "POST"]
split    = [{ upstream = "orders", weight = 3 }, { upstream = "canary", weight = 1 }]
rewrite  = { path = "/v2/{id}", query = "from={client.ip}", host = "upstream" }
timeouts = { first_byte = "2s" }

[routes.testers]
hosts    = ["api.example"]
path     = "/orders/{id}/*"
methods  = ["GET", "POST"]
headers  = { x-test = "1" }
upstream = "canary"

[routes.rest]
path    = "/*"
methods = ["GET"]
respond = { status = 200, text = "hello" }

[upstreams.orders]
endpoints = [{ url = "http://127.0.0.1:9001", weight = 2 }, { url = "http://127.0.0.1:9002", weight = 1 }]
[upstreams.canary]
endpoints = ["unix:/run/canary.sock"]
"#;

fn arguments(method: &str, url: &str, headers: &[&str], format: Format) -> Arguments {
    Arguments {
        file: "no/such/shop.toml".into(),
        method: method.to_owned(),
        url: url.to_owned(),
        headers: headers.iter().map(|header| (*header).to_owned()).collect(),
        listener: None,
        all: false,
        format,
    }
}

/// Asks about SHOP: the exit code and what is printed.
fn ask(method: &str, url: &str, headers: &[&str], format: Format) -> (u8, String) {
    answer(SHOP, &arguments(method, url, headers, format))
}

fn answer(config: &str, arguments: &Arguments) -> (u8, String) {
    let loaded = ringway::plan::load_text("shop.toml", config).unwrap();
    let mut out = Vec::new();
    let code = ringway::cli::explain::explain(arguments, &loaded, &mut out).unwrap();
    (code, String::from_utf8(out).unwrap())
}

#[test]
fn the_answer_names_winner_losers_settings_and_upstream_urls() {
    let (code, text) = ask("GET", "http://API.example.:8080/x/../orders/%37/a?b=c", &[], Format::Text);
    assert_eq!(code, 0);
    for line in [
        "GET api.example/orders/7/a?b=c",
        "listener  public (it listens on port 8080)",
        "canonical form of /x/../orders/%37/a",
        "route \"orders\"",
        "{id} = 7",
        "upstream \"orders\" 75%",
        "http://127.0.0.1:9001/v2/7?from=client.ip  (Host: 127.0.0.1:9001, 66.7%)",
        "http://127.0.0.1:9002/v2/7?from=client.ip  (Host: 127.0.0.1:9002, 33.3%)",
        "upstream \"canary\" 25%",
        "unix:/run/canary.sock:/v2/7?from=client.ip  (Host: localhost, 100%)",
        "header x-test: must be \"1\"",
        "it matches, but \"orders\" has the more specific host",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    for (key, value, from) in [
        ("timeouts.request", "7s", "shop.toml:9"),
        ("timeouts.first_byte", "2s", "shop.toml:17"),
        ("timeouts.connect", "1s", "default"),
    ] {
        let is_there = text.lines().any(|line| line.split_whitespace().eq([key, value, from]));
        assert!(is_there, "{key} {value} {from}\n{text}");
    }
}

#[test]
fn refusals_are_explained_too() {
    let (code, text) = ask("PUT", "http://api.example:8080/orders/7", &[], Format::Text);
    assert!(code == 1 && text.contains("405") && text.contains("allow     GET, HEAD, POST"), "{text}");
    let (code, text) = ask("GET", "/a/%2e%2e/b", &[], Format::Text);
    assert!(code == 1 && text.contains("400") && text.contains("dot segment"), "{text}");
    let (code, text) = ask("GET", "http://a_b..c/", &[], Format::Text);
    assert!(code == 1 && text.contains("400: the host has an empty label"), "{text}");
    let (code, text) = ask("GET", "/?a b", &[], Format::Text);
    assert!(code == 1 && text.contains("400: the target has a control character or a space"), "{text}");
    let (code, text) = ask("TRACE", "/", &[], Format::Text);
    assert!(code == 1 && text.contains("405: TRACE is off"), "{text}");
    for (url, headers) in [("ftp://a/", &[][..]), ("a/b", &[]), ("/", &["no colon"]), ("/", &["bad name: x"])] {
        assert_eq!(ask("GET", url, headers, Format::Text).0, 2, "{url}");
    }
    assert_eq!(ask("G T", "/", &[], Format::Text).0, 2);
}

#[test]
fn a_redirecting_listener_answers_before_any_route() {
    let (code, text) = ask("GET", "http://old.example:8081/a?b", &[], Format::Text);
    assert!(code == 0 && text.contains("location  https://shop.example/a?b"), "{text}");
}

#[test]
fn the_json_holds_what_the_text_says() {
    let (code, text) = ask("POST", "/orders/1/", &["Host: api.example", "X-Test: 1"], Format::Json);
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &report["route"]["name"]), (0, &"testers".into()));
    assert_eq!(report["targets"][0]["endpoints"][0]["url"], "unix:/run/canary.sock:/orders/1/");
    assert_eq!(report["losers"][0]["because"], "it matches, but \"testers\" asks for more fields");
}

#[test]
fn a_configuration_that_cannot_be_used_is_no_answer() {
    for format in [Format::Text, Format::Json] {
        let mut out = Vec::new();
        assert_eq!(ringway::cli::explain::run(&arguments("GET", "/", &[], format), &mut out).unwrap(), 2);
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("cannot read"), "{text}");
    }
}

#[test]
fn the_listener_can_be_named_and_far_losers_are_counted() {
    let routes: String =
        (0..30).map(|number| format!("[routes.r{number}]\npath = \"/{number}\"\nrespond = {{}}\n")).collect();
    let config = format!("{SHOP}{routes}");
    let mut arguments = arguments("GET", "/7", &[], Format::Text);
    let (_, text) = answer(&config, &arguments);
    assert!(text.contains("route \"r7\"") && text.contains("and 12 more; --all lists them"), "{text}");
    arguments.all = true;
    let (_, text) = answer(&config, &arguments);
    assert!(text.contains("path: it serves /29") && !text.contains("--all"), "{text}");
    arguments.listener = Some("old".to_owned());
    let (code, text) = answer(&config, &arguments);
    assert!(code == 0 && text.contains("listener  old (it was asked for)"), "{text}");
    assert!(text.contains("location  https://shop.example/7"), "{text}");
    arguments.listener = Some("none".to_owned());
    assert_eq!(answer(&config, &arguments), (2, "there is no listener \"none\"\n".to_owned()));
}

#[test]
fn tls_and_what_is_spoken_are_explained() {
    let config = r#"
[listeners.plain]
address = "127.0.0.1:8080"
[listeners.safe]
address = "127.0.0.1:8443"
tls     = "edge"
[tls.edge]
certificates = [{ cert = "a.pem", key = "a.key" }]
[routes.all]
path     = "/*"
upstream = "app"
upgrade  = []
request  = { set = { x-scheme = "{request.scheme}" } }
rewrite  = { query = "over={request.scheme}" }
[upstreams.app]
endpoints = ["https://127.0.0.1:9443"]
protocol  = "h2"
tls       = { ca = "ca.pem", server_name = "app.example", cert = "own.pem", key = "own.key" }
"#;
    let (code, text) = answer(config, &arguments("GET", "https://app.example/a", &[], Format::Text));
    assert_eq!(code, 0);
    // The scheme speaks for a listener where the port does not.
    for line in
        ["listener  safe (the first that routes", "https://127.0.0.1:9443/a?over=https  (Host: app.example, 100%)"]
    {
        assert!(text.contains(line), "{line}\n{text}");
    }
    for (key, value, from) in [
        ("upgrade", "nothing", "shop.toml:12"),
        ("protocol", "h2", "shop.toml:17"),
        ("tls", "ca.pem, as app.example, showing own.pem", "shop.toml:18"),
    ] {
        let wanted = format!("{key} {value} {from}");
        let is_there = text.lines().any(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") == wanted);
        assert!(is_there, "{wanted}\n{text}");
    }
}

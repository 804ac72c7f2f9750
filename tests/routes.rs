//! Where requests go, and how they change on the way: what the router's own tests cannot show without a wire.

use super::support::{Gateway, Origin, Reply};

#[test]
fn hosts_paths_and_predicates_choose_the_origin() {
    let [shop, blog, rest] = ["shop", "blog", "rest"].map(|name| Origin::answering(move |_| Reply::text(name)));
    let gateway = Gateway::with(&format!(
        "[upstreams.shop]\nendpoints = [\"{}\"]\n[upstreams.blog]\nendpoints = [\"{}\"]\n[upstreams.rest]\nendpoints = [\"{}\"]\n\
         [routes.shop]\nhosts = [\"shop.example\"]\npath = \"/*\"\nupstream = \"shop\"\n\
         [routes.any-shop]\nhosts = [\"*.shop.example\"]\npath = \"/*\"\nupstream = \"shop\"\n\
         [routes.blog]\npath = \"/blog/*\"\nupstream = \"blog\"\n\
         [routes.beta]\npath = \"/*\"\nheaders = {{ x-beta = \"yes\" }}\nupstream = \"blog\"\n\
         [routes.rest]\npath = \"/*\"\nupstream = \"rest\"\n",
        shop.endpoint(),
        blog.endpoint(),
        rest.endpoint()
    ));
    let mut client = gateway.client();
    for (target, fields, expected) in [
        ("/", "host: shop.example", "shop"),
        ("/", "host: SHOP.EXAMPLE.:8080", "shop"),
        ("/blog/x", "host: a.b.shop.example", "shop"),
        ("/blog", "host: other", "blog"),
        ("/blog/a/b", "host: other", "blog"),
        ("/blogs", "host: other", "rest"),
        ("/", "host: other\r\nx-beta: yes", "blog"),
        ("/", "host: other\r\nx-beta: no", "rest"),
    ] {
        let answer = client.ask(&format!("GET {target} HTTP/1.1\r\n{fields}\r\n\r\n"));
        assert_eq!(answer.text(), expected, "{target} {fields}");
    }
}

#[test]
fn a_rewrite_changes_what_the_origin_is_asked() {
    let origin = Origin::answering(|_| Reply::status(204));
    let endpoint = origin.endpoint();
    let gateway = Gateway::with(&format!(
        "[upstreams.o]\nendpoints = [\"{endpoint}\"]\n\
         [routes.prefix]\npath = \"/old/*\"\nrewrite = {{ prefix = \"/new/base\" }}\nupstream = \"o\"\n\
         [routes.strip]\npath = \"/strip/*\"\nrewrite = {{ prefix = \"/\" }}\nupstream = \"o\"\n\
         [routes.template]\npath = \"/user/{{id}}/orders\"\nrewrite = {{ path = \"/orders/{{id}}\", query = \"full=1\" }}\nupstream = \"o\"\n\
         [routes.host]\npath = \"/host\"\nrewrite = {{ host = \"inner.example\" }}\nupstream = \"o\"\n\
         [routes.upstream-host]\npath = \"/upstream-host\"\nrewrite = {{ host = \"upstream\" }}\nupstream = \"o\"\n"
    ));
    let mut client = gateway.client();
    let authority = origin.authority();
    for (sent, arrives, host) in [
        ("/old", "/new/base", "test"),
        ("/old/", "/new/base/", "test"),
        ("/old/a/b?q=/old", "/new/base/a/b?q=/old", "test"),
        ("/strip", "/", "test"),
        ("/strip/a", "/a", "test"),
        ("/user/7%2F8/orders?x=y", "/orders/7%2F8?full=1", "test"),
        ("/host?a", "/host?a", "inner.example"),
        ("/upstream-host", "/upstream-host", authority.as_str()),
    ] {
        assert_eq!(client.get(sent).status, 204, "{sent}");
        let request = origin.requests().pop().expect("it came");
        assert_eq!((request.target.as_str(), request.field("host")), (arrives, Some(host)), "{sent}");
    }
}

#[test]
fn fields_are_removed_set_and_added_by_the_route() {
    let origin =
        Origin::answering(|_| Reply::status(204).with("server", "secret/1").with("x-keep", "1").with("x-set", "old"));
    let endpoint = origin.endpoint();
    let gateway = Gateway::with(&format!(
        "[routes.all]\npath = \"/{{name}}/*\"\nupstream = {{ endpoints = [\"{endpoint}\"] }}\n\
         request = {{ set = {{ x-client = \"{{client.ip}}\", x-name = \"{{name}}\" }}, add = {{ x-more = \"b\" }}, remove = [\"cookie\"] }}\n\
         response = {{ set = {{ x-set = \"{{request.id}}\" }}, remove = [\"server\"] }}\n"
    ));
    let mut client = gateway.client();
    let answer = client.ask(
        "GET /joe/x HTTP/1.1\r\nhost: test\r\ncookie: a=b\r\nx-client: forged\r\nX-Client: twice\r\nx-more: a\r\n\r\n",
    );
    let request = origin.request();
    assert_eq!((request.field("x-client"), request.field("x-name")), (Some("127.0.0.1"), Some("joe")));
    assert_eq!(request.fields.all("x-more"), ["a", "b"]);
    assert!(!request.fields.has("cookie") && !answer.fields.has("server"));
    assert_eq!(answer.field("x-set"), answer.field("x-request-id"));
    assert_eq!(answer.field("x-keep"), Some("1"));
}

#[test]
fn a_captured_segment_cannot_smuggle_a_field() {
    let origin = Origin::answering(|_| Reply::status(204));
    let endpoint = origin.endpoint();
    let gateway = Gateway::with(&format!(
        "[routes.all]\npath = \"/{{name}}\"\nupstream = {{ endpoints = [\"{endpoint}\"] }}\nrequest = {{ set = {{ x-name = \"{{name}}\" }} }}\n"
    ));
    gateway.client().get("/a%0d%0ax-evil:%201");
    assert!(origin.requests().iter().all(|request| !request.fields.has("x-evil")));
}

#[test]
fn a_split_follows_its_weights() {
    let [heavy, light, none] = [(); 3].map(|()| Origin::answering(|_| Reply::status(204)));
    let gateway = Gateway::with(&format!(
        "[upstreams.heavy]\nendpoints = [\"{}\"]\n[upstreams.light]\nendpoints = [\"{}\"]\n[upstreams.none]\nendpoints = [\"{}\"]\n\
         [routes.all]\npath = \"/*\"\nsplit = [{{ upstream = \"heavy\", weight = 9 }}, {{ upstream = \"light\", weight = 1 }}, {{ upstream = \"none\", weight = 0 }}]\n",
        heavy.endpoint(),
        light.endpoint(),
        none.endpoint()
    ));
    let mut client = gateway.client();
    for _ in 0..1000 {
        assert_eq!(client.get("/").status, 204);
    }
    assert_eq!(none.requests().len(), 0);
    // A fair coin of 9 to 1 leaves these bounds once in more than 10^12 runs.
    assert!((25..=190).contains(&light.requests().len()), "{}", light.requests().len());
    assert_eq!(heavy.requests().len() + light.requests().len(), 1000);
}

#[test]
fn endpoints_take_turns() {
    let origins = [(); 3].map(|()| Origin::answering(|_| Reply::status(204)));
    let [a, b, c] = origins.each_ref().map(Origin::endpoint);
    let gateway = Gateway::with(&format!(
        "[routes.all]\npath = \"/*\"\nupstream = {{ endpoints = [\"{a}\", {{ url = \"{b}\", weight = 2 }}, \"{c}\"] }}\n"
    ));
    let mut client = gateway.client();
    for _ in 0..40 {
        assert_eq!(client.get("/").status, 204);
    }
    assert_eq!(origins.each_ref().map(|origin| origin.requests().len()), [10, 20, 10]);
}

#[test]
fn a_redirect_sends_the_client_on() {
    let gateway = Gateway::with(
        "[routes.docs]\npath = \"/v1/*\"\nredirect = { prefix = \"/v2\", status = 301 }\n\
         [routes.secure]\npath = \"/secure/*\"\nredirect = { scheme = \"https\", status = 308 }\n\
         [routes.away]\npath = \"/away\"\nredirect = { host = \"other.example\", path = \"/landing\" }\n",
    );
    let mut client = gateway.client();
    for (sent, status, location) in [
        ("/v1/a?b=c", 301, "http://docs.example:81/v2/a?b=c"),
        ("/secure/x", 308, "https://docs.example/secure/x"),
        ("/away?q", 308, "http://other.example:81/landing?q"),
    ] {
        let answer = client.ask(&format!("GET {sent} HTTP/1.1\r\nhost: docs.example:81\r\n\r\n"));
        assert_eq!((answer.status, answer.field("location")), (status, Some(location)), "{sent}");
    }
}

#[test]
fn a_listener_may_send_everything_on() {
    let gateway = Gateway::start(
        "[server]\nworkers = 1\n[listeners.web]\naddress = \"127.0.0.1:0\"\nredirect = { scheme = \"https\", status = 308 }\n",
    );
    let answer = gateway.client().ask("GET /a?b HTTP/1.1\r\nhost: shop.example\r\n\r\n");
    assert_eq!((answer.status, answer.field("location")), (308, Some("https://shop.example/a?b")));
}

#[test]
fn a_fixed_answer_needs_no_origin() {
    let gateway = Gateway::with(
        "[routes.text]\npath = \"/text\"\nrespond = { status = 200, text = \"pong\\n\", headers = { x-extra = \"1\" } }\n\
         [routes.json]\npath = \"/json\"\nrespond = { status = 201, json = { ok = true } }\n\
         [routes.empty]\npath = \"/empty\"\nrespond = { status = 204 }\n",
    );
    let mut client = gateway.client();
    let text = client.get("/text");
    assert_eq!((text.text(), text.field("x-extra")), ("pong\n", Some("1")));
    let json = client.get("/json");
    assert_eq!(
        (json.status, json.field("content-type"), &json.json()["ok"]),
        (201, Some("application/json"), &true.into())
    );
    assert_eq!(client.get("/empty").status, 204);
    assert_eq!(client.ask("HEAD /text HTTP/1.1\r\nhost: test\r\n\r\n").field("content-length"), Some("5"));
    assert_eq!(client.get("/text").text(), "pong\n");
}

#[test]
fn a_large_fixed_answer_is_sent_whole() {
    let text = "0123456789abcdef".repeat(10_000);
    let gateway =
        Gateway::with(&format!("[routes.large]\npath = \"/large\"\nrespond = {{ status = 200, text = \"{text}\" }}\n"));
    let mut client = gateway.client();
    for _ in 0..3 {
        assert!(client.get("/large").text() == text);
    }
}

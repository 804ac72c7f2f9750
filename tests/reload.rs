//! Another configuration comes into force while the gateway serves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ringway::control::{Failure, Gateway, Options, Source};

use super::support::{Client, Gate, Origin, Reply, eventually};

const BASE: &str = "[server]\nworkers = 2\n[listeners.web]\naddress = \"127.0.0.1:0\"\n";

/// The base and these tables.
fn source(tables: &str) -> Source {
    Source::text(format!("{BASE}{tables}"))
}

fn start(tables: &str) -> Gateway {
    Gateway::start(source(tables), Options::embedded().unwrap()).unwrap_or_else(|failure| panic!("{failure}"))
}

fn client(gateway: &Gateway) -> Client {
    Client::connect(gateway.address("web").unwrap())
}

/// A route `name` that answers its path by itself.
fn answering(name: &str, text: &str) -> String {
    format!("[routes.{name}]\npath = \"/{name}\"\nrespond = {{ status = 200, text = \"{text}\" }}\n")
}

#[test]
fn a_connection_that_was_open_is_served_by_the_new_plan() {
    let gateway = start(&answering("a", "old"));
    let mut client = client(&gateway);
    assert_eq!(client.get("/a").text(), "old");
    let reloaded = gateway.reload_from(source(&(answering("a", "new") + &answering("b", "more")))).unwrap();
    assert_eq!((reloaded.generation, reloaded.routes.added, reloaded.routes.removed), (2, 1, 0));
    assert_eq!(client.get("/a").text(), "new");
    assert_eq!(client.get("/b").text(), "more");
}

#[test]
fn an_exchange_in_flight_ends_by_the_plan_it_began_with() {
    let gate = Arc::new(Gate::default());
    let way = Arc::clone(&gate);
    let origin = Origin::answering(move |_| {
        way.pass();
        Reply::text("done")
    });
    let forwarding = format!(
        "[upstreams.origin]\nendpoints = [\"{}\"]\n[routes.a]\npath = \"/a\"\nupstream = \"origin\"\n\
         response = {{ set = {{ x-plan = \"first\" }} }}\n",
        origin.endpoint()
    );
    let gateway = start(&forwarding);
    let mut client = client(&gateway);
    client.send("GET /a HTTP/1.1\r\nhost: test\r\n\r\n");
    origin.await_request(1);
    // Neither its route nor its upstream is in the new plan.
    gateway.reload_from(source(&answering("b", "b"))).unwrap();
    gate.open();
    let answer = client.answer();
    assert_eq!((answer.status, answer.text(), answer.field("x-plan")), (200, "done", Some("first")));
    assert_eq!(client.get("/a").status, 404);
    assert_eq!(client.get("/b").status, 200);
}

#[test]
fn no_request_is_lost_while_plans_come_and_go() {
    let origin = Origin::answering(|_| Reply::text("ok"));
    let plan = |generation: usize| {
        let more: String = (0..generation % 5).map(|route| answering(&format!("r{route}"), "x")).collect();
        let endpoint = origin.endpoint();
        format!(
            "[upstreams.u{generation}]\nendpoints = [\"{endpoint}\"]\n[routes.all]\npath = \"/*\"\nupstream = \"u{generation}\"\n{more}"
        )
    };
    let gateway = start(&plan(1));
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = client(&gateway);
                    let mut served = 0;
                    while !is_over.load(Ordering::Relaxed) {
                        assert_eq!(client.get("/").text(), "ok");
                        served += 1;
                    }
                    served
                })
            })
            .collect();
        for generation in 2..20 {
            gateway.reload_from(source(&plan(generation))).unwrap();
        }
        is_over.store(true, Ordering::Relaxed);
        let served: usize = clients.into_iter().map(|client| client.join().unwrap()).sum();
        // A core counts an exchange after its last byte is out, so the last ones may take another look.
        let counted = format!("route=\"all\",method=\"GET\",code=\"2xx\"}} {served}\n");
        let page = eventually(&counted, || gateway.metrics().filter(|page| page.contains(&counted)));
        assert!(page.contains("ringway_config_generation 19\n"), "{page}");
    });
}

#[test]
fn a_listener_cannot_be_changed_and_the_rest_of_that_plan_stays_out_too() {
    let gateway = start(&answering("a", "old"));
    let other = format!("{BASE}[listeners.more]\naddress = \"127.0.0.1:0\"\n{}", answering("a", "new"));
    let failure = gateway.reload_from(Source::text(other)).unwrap_err();
    assert_eq!(failure.to_string(), "needs a restart: listeners.more was added");
    assert_eq!(client(&gateway).get("/a").text(), "old");
}

#[test]
fn a_file_is_read_anew_and_a_bad_one_changes_nothing() {
    let file = std::env::temp_dir().join(format!("ringway-reload-{}.toml", std::process::id()));
    let write = |tables: &str| std::fs::write(&file, format!("{BASE}{tables}")).unwrap();
    write(&answering("a", "first"));
    let gateway = Gateway::start(Source::File(file.clone()), Options::embedded().unwrap()).unwrap();
    write("[routes.a]\npath = \"/a\"\nupstream = \"nobody\"\n");
    assert!(matches!(gateway.reload(), Err(Failure::Plan(_))));
    assert_eq!(client(&gateway).get("/a").text(), "first");
    assert!(gateway.metrics().unwrap().contains("ringway_config_last_reload_success 0\n"));
    write(&answering("a", "second"));
    assert_eq!(gateway.reload().unwrap().generation, 2);
    assert_eq!(client(&gateway).get("/a").text(), "second");
    assert!(gateway.metrics().unwrap().contains("ringway_config_last_reload_success 1\n"));
    std::fs::remove_file(file).unwrap();
}

#[test]
fn connections_that_the_new_plan_has_no_use_for_close_at_once() {
    let gate = Arc::new(Gate::default());
    let way = Arc::clone(&gate);
    let origin = Origin::answering(move |request| {
        if request.target == "/a/slow" {
            way.pass();
        }
        Reply::text("done")
    });
    // One worker, so that all of them share a pool.
    let alone = |tables: &str| Source::text(format!("{BASE}{tables}").replace("workers = 2", "workers = 1"));
    let upstream = format!("upstream = {{ endpoints = [\"{}\"] }}", origin.endpoint());
    let forwarding = alone(&format!("[routes.a]\npath = \"/a/*\"\n{upstream}\n"));
    let gateway = Gateway::start(forwarding, Options::embedded().unwrap()).unwrap();
    let (mut quick, mut slow) = (client(&gateway), client(&gateway));
    slow.send("GET /a/slow HTTP/1.1\r\nhost: test\r\n\r\n");
    origin.await_request(1);
    assert_eq!(quick.get("/a/quick").text(), "done");
    gateway.reload_from(alone(&answering("b", "b"))).unwrap();
    // The exchange that began before goes on, and holds its own connection only.
    origin.await_ended(1);
    gate.open();
    assert_eq!(slow.answer().text(), "done");
    origin.await_ended(2);
    assert_eq!(slow.get("/b").text(), "b");
}

//! A panic while serving costs the connection it happened on, and nothing else.

use super::support::{Gateway, Origin, Reply, eventually};

/// A path that panics in builds for tests.
const PANIC: &str = "GET /.ringway/panic HTTP/1.1\r\nhost: test\r\n\r\n";

#[test]
fn a_panic_costs_one_connection() {
    let origin = Origin::answering(|_| Reply::text("fine"));
    let gateway = Gateway::before(&origin);
    let mut bystander = gateway.client();
    assert_eq!(bystander.get("/").text(), "fine");
    for _ in 0..3 {
        let mut victim = gateway.client();
        assert_eq!(victim.get("/").text(), "fine");
        victim.send(PANIC);
        victim.expect_end();
        assert_eq!(bystander.get("/").text(), "fine");
    }
    assert_eq!(gateway.client().get("/").text(), "fine");
    eventually("the panics in the metrics", || (gateway.metric("ringway_panics_total") == 3.0).then_some(()));
    eventually("their exchanges over", || (gateway.metric("ringway_requests_in_flight") == 0.0).then_some(()));
    eventually("their connections closed", || (gateway.metric("ringway_connections") == 1.0).then_some(()));
    assert_eq!(origin.connections(), 1);
}

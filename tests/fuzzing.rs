//! Seeded fuzzing as ordinary tests. `FUZZ_SEED` (1) and `FUZZ_ITERS` (a slice of a second or two) say which inputs and
//! how many; `scripts/fuzz` runs them by the hundred million. A failure prints the seed, the input's number, and the
//! smallest input that fails, which then becomes a case of its own.
//!
//! No target is content with "no panic": heads, bodies, paths and authorities are compared with a naive model of the
//! rules (`model`), fed whole and in pieces; what is written is read again.

/// What upstreams send.
pub mod answer;
/// `host[:port]`.
mod authority;
/// Chunked bodies.
mod chunked;
/// Who the client is behind proxies.
mod client;
/// Configuration texts.
mod configuration;
/// Where inputs begin.
pub mod corpus;
/// Runs a target.
mod driver;
/// Heads that leave.
mod forward;
/// HTTP/2 from clients.
mod frames;
/// Request heads.
pub mod head;
/// Access-log lines.
mod log;
/// The rules once more, naively.
pub mod model;
/// Makes inputs from good ones.
mod mutate;
/// Canonical paths.
mod path;
/// PROXY headers.
mod proxy;

#[test]
fn answer_streams_become_what_the_rules_say() {
    answer::run();
}

#[test]
fn authority_is_taken_exactly_by_its_grammar() {
    authority::run();
}

#[test]
fn chunked_bodies_decode_as_the_rules_say() {
    chunked::run();
}

#[test]
fn client_is_whom_the_trusted_proxy_names() {
    client::run();
}

#[test]
fn configuration_texts_are_loaded_or_complained_about() {
    configuration::run();
}

#[test]
fn forward_heads_carry_what_goes_on_and_nothing_of_the_hop() {
    forward::run();
}

#[test]
fn frames_are_served_or_refused_and_nothing_is_left_behind() {
    frames::run();
}

#[test]
fn head_facts_are_those_of_the_rules() {
    head::run();
}

#[test]
fn log_lines_parse_and_say_what_was_sent() {
    log::run();
}

#[test]
fn path_forms_are_those_of_the_rules() {
    path::run();
}

#[test]
fn proxy_headers_are_taken_exactly() {
    proxy::run();
}

//! Endpoints that speak HTTP/2, badly.

mod fault;
mod play;
mod server;

pub use fault::Fault;

use super::withstand;

#[test]
fn an_endpoint_that_refuses() {
    withstand(Fault::Refuses);
}

#[test]
fn an_endpoint_that_cannot_be_reached() {
    withstand(Fault::BlackHole);
}

#[test]
fn an_endpoint_that_says_nothing() {
    withstand(Fault::Mute);
}

#[test]
fn an_endpoint_without_settings() {
    withstand(Fault::NoSettings);
}

#[test]
fn an_endpoint_of_http_1() {
    withstand(Fault::SpeaksHttp1);
}

#[test]
fn connections_closed_at_once() {
    withstand(Fault::ClosesAtOnce);
}

#[test]
fn connections_reset_at_once() {
    withstand(Fault::ResetsAtOnce);
}

#[test]
fn connections_reset_in_requests() {
    withstand(Fault::ResetsInRequest);
}

#[test]
fn connections_reset_in_a_head() {
    withstand(Fault::ResetsInHead);
}

#[test]
fn connections_reset_in_a_body() {
    withstand(Fault::ResetsInBody);
}

#[test]
fn connections_closed_in_a_body() {
    withstand(Fault::ClosesInBody);
}

#[test]
fn idle_connections_that_close() {
    withstand(Fault::ClosesIdle);
}

#[test]
fn a_goaway_before_the_first_request() {
    withstand(Fault::GoawayAtOnce);
}

#[test]
fn a_goaway_that_leaves_streams_out() {
    withstand(Fault::GoawayLeavesOut);
}

#[test]
fn a_goaway_that_asks_for_calm() {
    withstand(Fault::GoawayCalm);
}

#[test]
fn a_goaway_in_two_steps() {
    withstand(Fault::GoawayPolite);
}

#[test]
fn a_goaway_that_leaves_out_what_was_begun() {
    withstand(Fault::GoawayLies);
}

#[test]
fn streams_that_are_refused() {
    withstand(Fault::StreamRefused);
}

#[test]
fn streams_reset_for_an_error() {
    withstand(Fault::StreamError);
}

#[test]
fn streams_that_are_cancelled() {
    withstand(Fault::StreamCancel);
}

#[test]
fn bodies_reset_for_an_error() {
    withstand(Fault::BodyError);
}

#[test]
fn bodies_that_are_cancelled() {
    withstand(Fault::BodyCancel);
}

#[test]
fn bodies_reset_for_no_error() {
    withstand(Fault::BodyNoError);
}

#[test]
fn answers_before_the_body_and_a_reset() {
    withstand(Fault::AnswersEarly);
}

#[test]
fn an_endpoint_that_hangs() {
    withstand(Fault::Hangs);
}

#[test]
fn bodies_that_stall() {
    withstand(Fault::StallsInBody);
}

#[test]
fn heads_that_drip() {
    withstand(Fault::DripsHead);
}

#[test]
fn bodies_that_drip() {
    withstand(Fault::DripsBody);
}

#[test]
fn lengths_that_are_too_long() {
    withstand(Fault::LengthTooLong);
}

#[test]
fn lengths_that_are_too_short() {
    withstand(Fault::LengthTooShort);
}

#[test]
fn heads_that_do_not_decode() {
    withstand(Fault::BadHpack);
}

#[test]
fn frames_that_are_too_large() {
    withstand(Fault::FrameTooLarge);
}

#[test]
fn data_beyond_the_window() {
    withstand(Fault::BeyondWindow);
}

#[test]
fn streams_whose_window_stays_shut() {
    withstand(Fault::NoStreamWindow);
}

#[test]
fn connections_whose_window_stays_shut() {
    withstand(Fault::NoTrunkWindow);
}

#[test]
fn one_stream_and_then_none() {
    withstand(Fault::OneStreamThenNone);
}

#[test]
fn bodies_without_an_end() {
    withstand(Fault::NoEndStream);
}

#[test]
fn trailers_that_are_cut() {
    withstand(Fault::TrailersCut);
}

#[test]
fn trailers_without_an_end() {
    withstand(Fault::TrailersOpen);
}

#[test]
fn pushes_that_were_not_allowed() {
    withstand(Fault::Pushes);
}

#[test]
fn a_hundred_interim_answers() {
    withstand(Fault::InterimStorm);
}

#[test]
fn a_field_of_70_000_bytes() {
    withstand(Fault::HugeField);
}

#[test]
fn a_field_of_a_connection() {
    withstand(Fault::BadField);
}

#[test]
fn a_status_that_is_none() {
    withstand(Fault::BadStatus);
}

#[test]
fn a_switch_of_protocols() {
    withstand(Fault::Unasked101);
}

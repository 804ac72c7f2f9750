//! The client that counts, over HTTP/2: requests that share a connection, each with what became of it.

use std::net::SocketAddr;

use h2::{Reason, SendStream};
use tokio::time::timeout;

use super::client::{End, Outcome, judge};
use super::tagged::{Tag, Way};
use crate::support::PATIENCE;
use crate::support::h2_client::{H2Answer, H2Client, send};

/// A client; its clones share its connection until that ends.
#[derive(Clone)]
pub struct Client {
    gateway: SocketAddr,
    connection: H2Client,
}

impl Client {
    /// Of the gateway at this address.
    pub async fn connect(gateway: SocketAddr) -> Self {
        Self { gateway, connection: H2Client::connect(gateway).await }
    }

    /// Sends the request of this tag and waits for what becomes of it.
    pub async fn ask(&mut self, tag: Tag, method: &str) -> Outcome {
        let asked = timeout(PATIENCE, self.exchange(tag, method)).await;
        asked.unwrap_or_else(|_| Outcome::Lost("nothing in time".to_owned()))
    }

    async fn exchange(&mut self, tag: Tag, method: &str) -> Outcome {
        let text = tag.text();
        let (path, body) = (format!("/{text}"), if method == "POST" { tag.body(Way::Up) } else { Vec::new() });
        let length = body.len().to_string();
        let mut fields = vec![("x-request-id", &*text), ("te", "trailers")];
        if method == "POST" && !tag.is_chunked() {
            fields.push(("content-length", &length));
        }
        let mut begun = self.connection.try_begin(method, &path, &fields, body.is_empty()).await;
        if begun.is_err() {
            // A connection that was told to end takes no request, and has lost none.
            self.connection = H2Client::connect(self.gateway).await;
            begun = self.connection.try_begin(method, &path, &fields, body.is_empty()).await;
        }
        let (stream, mut answer) = match begun {
            Ok(asking) => asking.split(),
            Err(error) => return Outcome::Lost(format!("no stream: {error}")),
        };
        let upload = tokio::spawn(upload(stream, body));
        let outcome = match H2Answer::of(&mut answer).await {
            Ok(answer) => judge_answer(tag, answer).await,
            // An answer that broke before its head had left: the head is gone with the stream.
            Err(error) if error.is_remote() && error.reason() == Some(Reason::INTERNAL_ERROR) => Outcome::Cut,
            Err(error) => Outcome::Lost(format!("no answer: {error}")),
        };
        // A gateway that has answered already may have stopped reading.
        upload.abort();
        outcome
    }
}

async fn upload(mut stream: SendStream<bytes::Bytes>, body: Vec<u8>) {
    if send(&mut stream, &body, true).await.is_ok() {
        // The end of an upload is not that of its stream.
        std::future::pending::<()>().await;
    }
}

async fn judge_answer(tag: Tag, mut answer: H2Answer) -> Outcome {
    if answer.field("x-request-id") != Some(&tag.text()) {
        return Outcome::Foreign(format!("an answer to {:?}", answer.field("x-request-id")));
    }
    let end = match answer.read().await {
        Ok(()) => End::Whole,
        Err(error) if error.is_reset() && error.is_remote() => End::Cut,
        Err(error) => End::Malformed(error.to_string()),
    };
    if answer.fields.contains_key("proxy-status") {
        return match end {
            End::Whole => Outcome::Refused(answer.status),
            end => Outcome::Lost(format!("the gateway's own answer: {end:?}")),
        };
    }
    if answer.field("x-tag") != Some(&tag.text()) {
        return Outcome::Foreign(format!("status {}, tag {:?}", answer.status, answer.field("x-tag")));
    }
    if end == End::Whole && answer.fields.contains_key("x-trailed") && answer.trailer("x-end") != Some(&tag.text()) {
        return Outcome::False(format!("trailers {:?}", answer.trailers));
    }
    let is_broken = answer.fields.contains_key("x-broken");
    judge(tag, answer.status, &answer.body, is_broken, end)
}

//! Inheritance: route > upstream > listener > defaults > the program's own values, key by key; and where each value
//! came from.

use crate::plan::origin::Setting;
use crate::plan::raw::setting::{Limits as RawLimits, Timeouts as RawTimeouts};
use crate::plan::read::At;
use crate::plan::{Limits, Timeouts};
use crate::words::limits as default;

/// `raw`, and where a key is absent the program's default.
#[must_use]
pub fn timeouts(raw: &RawTimeouts) -> Timeouts {
    Timeouts {
        head: or(raw.head, default::HEAD_TIME),
        connect: or(raw.connect, default::CONNECT_TIME),
        first_byte: or(raw.first_byte, default::FIRST_BYTE_TIME),
        request: or(raw.request, default::REQUEST_TIME),
        idle: or(raw.idle, default::IDLE_TIME),
    }
}

/// `raw`, and where a key is absent the program's default.
#[must_use]
pub fn limits(raw: &RawLimits) -> Limits {
    Limits {
        header_bytes: or(raw.header_bytes, default::HEADER_BYTES),
        headers: or(raw.headers, default::HEADERS),
        target_bytes: or(raw.target_bytes, default::TARGET_BYTES),
        body: or(raw.body, default::BODY_BYTES),
        body_rate: or(raw.body_rate, default::BODY_RATE),
        connections: or(raw.connections, default::CONNECTIONS),
        connections_per_address: or(raw.connections_per_address, default::CONNECTIONS_PER_ADDRESS),
    }
}

fn or<T>(at: Option<At<T>>, default: T) -> T {
    at.map_or(default, |at| at.value)
}

/// The origins of all timeouts and limits.
#[must_use]
pub fn settings(timeouts: &RawTimeouts, limits: &RawLimits) -> Vec<Setting> {
    vec![
        setting("timeouts.head", timeouts.head),
        setting("timeouts.connect", timeouts.connect),
        setting("timeouts.first_byte", timeouts.first_byte),
        setting("timeouts.request", timeouts.request),
        setting("timeouts.idle", timeouts.idle),
        setting("limits.header_bytes", limits.header_bytes),
        setting("limits.headers", limits.headers),
        setting("limits.target_bytes", limits.target_bytes),
        setting("limits.body", limits.body),
        setting("limits.body_rate", limits.body_rate),
        setting("limits.connections", limits.connections),
        setting("limits.connections_per_address", limits.connections_per_address),
    ]
}

/// The origin of `key`.
pub fn setting<T>(key: &'static str, at: Option<At<T>>) -> Setting {
    Setting { key, place: at.map(|at| at.place) }
}

/// Notes the origin of `key` when it is written.
pub fn note<T>(list: &mut Vec<Setting>, key: &'static str, at: Option<&At<T>>) {
    if let Some(at) = at {
        list.push(Setting { key, place: Some(at.place) });
    }
}

//! A thread's event loop: io_uring with the leanest flags that the kernel takes, else epoll.
//!
//! It must be built on the thread that runs it (`SINGLE_ISSUER`). With `RINGWAY_DRIVER=epoll` there is no ring at all,
//! as in the gateway.

use std::future::Future;
use std::io;

use monoio::time::TimeDriver;
use monoio::{IoUringDriver, LegacyDriver, RuntimeBuilder};

/// Submission entries: more connections than this just submit more often.
const ENTRIES: u32 = 1024;
/// Completions that may wait unreaped before the kernel has to set memory aside for more.
const COMPLETIONS: u32 = 8192;

type Ring = monoio::Runtime<TimeDriver<IoUringDriver>>;

#[derive(Clone, Copy)]
enum Flags {
    /// Linux 6.1: completions are worked on only when this thread asks for them.
    DeferTaskrun,
    /// Linux 5.19.
    CoopTaskrun,
    Plain,
}

/// Runs `future`, and all that it spawns, on the calling thread until `future` is done.
///
/// # Errors
/// When not even epoll can be had.
pub fn block_on<T>(future: impl Future<Output = T>) -> io::Result<T> {
    if std::env::var_os("RINGWAY_DRIVER").is_none_or(|driver| driver != "epoll") {
        for flags in [Flags::DeferTaskrun, Flags::CoopTaskrun, Flags::Plain] {
            if let Ok(mut ring) = ring(flags) {
                return Ok(ring.block_on(future));
            }
        }
    }
    let mut epoll = RuntimeBuilder::<LegacyDriver>::new().enable_timer().build()?;
    Ok(epoll.block_on(future))
}

fn ring(flags: Flags) -> io::Result<Ring> {
    let mut builder = io_uring::IoUring::builder();
    builder.setup_cqsize(COMPLETIONS).setup_clamp();
    match flags {
        Flags::DeferTaskrun => builder.setup_single_issuer().setup_defer_taskrun(),
        Flags::CoopTaskrun => builder.setup_coop_taskrun().setup_taskrun_flag(),
        Flags::Plain => &mut builder,
    };
    RuntimeBuilder::<IoUringDriver>::new().uring_builder(builder).with_entries(ENTRIES).enable_timer().build()
}

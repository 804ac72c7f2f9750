//! How rough a world is: what links, kernels and the event loop do to those who use them.

use super::random::Random;

/// The ranges that the seed draws from. Pairs are lowest and highest, both included.
#[derive(Clone, Debug)]
pub struct Weather {
    /// Microseconds that a piece is under way on a link.
    pub latency_us: (u64, u64),
    /// Pieces that what is written at once is cut into.
    pub pieces: (u64, u64),
    /// Bytes that one direction of a link holds before its writer has to wait.
    pub link_bytes: (u64, u64),
    /// How often, of a thousand pieces, one is held up ...
    pub stalls: u64,
    /// ... and for how many microseconds.
    pub stall_us: (u64, u64),
    /// How often, of a thousand pieces, the link is reset instead.
    pub resets: u64,
    /// How often, of a thousand connects, one is refused for no reason.
    pub refusals: u64,
    /// How often, of a thousand accepts, one fails.
    pub accept_failures: u64,
    /// How often, of a thousand waits, a stream says it is readable and is not.
    pub false_alarms: u64,
    /// Microseconds until a waiter hears that something is there.
    pub notice_us: (u64, u64),
    /// Operations that a task gets done in one poll.
    pub operations_per_poll: (u64, u64),
    /// Microseconds that a timer is late, or early with a task that then has to wait again.
    pub timer_us: (u64, u64),
    /// How often, of a thousand resets, what had arrived before is still readable.
    pub kind_resets: u64,
}

impl Weather {
    /// Nothing goes wrong and nothing takes long.
    #[must_use]
    pub const fn calm() -> Self {
        Self {
            latency_us: (10, 10),
            pieces: (1, 1),
            link_bytes: (256 * 1024, 256 * 1024),
            stalls: 0,
            stall_us: (0, 0),
            resets: 0,
            refusals: 0,
            accept_failures: 0,
            false_alarms: 0,
            notice_us: (0, 0),
            operations_per_poll: (32, 32),
            timer_us: (0, 0),
            kind_resets: 0,
        }
    }

    /// Something between calm and rough, by `random`. Nothing is lost: links fragment, delay and stall, but they hold.
    #[must_use]
    pub fn of(random: &mut Random) -> Self {
        let latency = *random.pick(&[50, 500, 5_000]);
        let room = *random.pick(&[512, 4 * 1024, 64 * 1024]);
        Self {
            latency_us: (10, latency),
            pieces: (1, *random.pick(&[1, 3, 8])),
            link_bytes: (room, 4 * room),
            stalls: *random.pick(&[0, 0, 5, 30]),
            stall_us: (1_000, 40_000),
            resets: 0,
            refusals: 0,
            accept_failures: *random.pick(&[0, 0, 30]),
            false_alarms: *random.pick(&[0, 20, 200]),
            notice_us: (0, *random.pick(&[0, 20, 300])),
            operations_per_poll: *random.pick(&[(32, 32), (4, 32), (1, 4)]),
            timer_us: (0, *random.pick(&[0, 1_000])),
            kind_resets: *random.pick(&[0, 500, 1000]),
        }
    }

    /// The same, and links break and connects fail.
    #[must_use]
    pub fn storm(random: &mut Random) -> Self {
        Self { resets: *random.pick(&[1, 5, 20]), refusals: *random.pick(&[0, 20, 100]), ..Self::of(random) }
    }
}

//! Ids: positions in the plan's tables. A name is resolved once, when the plan is compiled; after that an id is an index.

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(u32);

        impl $name {
            /// The id of the entry at `index`.
            ///
            /// # Panics
            /// When `index` exceeds `u32`; tables are bounded far below that by `limits`.
            #[must_use]
            pub fn new(index: usize) -> Self {
                Self(u32::try_from(index).expect("tables are bounded below 2^32 entries"))
            }

            /// The position in the plan's table.
            #[must_use]
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

id! {
    /// A listener: index into `Plan::listeners`.
    ListenerId
}
id! {
    /// A route: index into `Plan::routes`.
    RouteId
}
id! {
    /// An upstream: index into `Plan::upstreams`.
    UpstreamId
}
id! {
    /// How listeners speak TLS: index into `Plan::tls`.
    TlsId
}
id! {
    /// A core: 0 to the number of workers minus one.
    CoreId
}

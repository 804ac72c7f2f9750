//! The binary `ringway`.
#![expect(unsafe_code, reason = "one call into the allocator's C interface")]

/// The control thread allocates much at a reload; the cores do not in steady state.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    ringway::cli::main(release_memory)
}

/// mimalloc keeps freed pages until the thread allocates again, which a quiet gateway does not.
fn release_memory() {
    // SAFETY: may be called at any time from any thread (mimalloc.h, "mi_collect").
    unsafe { libmimalloc_sys::mi_collect(true) };
}

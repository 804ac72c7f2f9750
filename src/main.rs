//! The binary `ringway`.

/// The control thread allocates much at a reload; the cores do not in steady state.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    ringway::cli::main()
}

//! The `licence-node` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    licence_node::cli::main()
}

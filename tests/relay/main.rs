//! The `relay` example: its configuration ([`config_file`]), what a new configuration changes
//! ([`changes`]), and the program as its users run it ([`program`], [`ffmpeg`]).
#![allow(clippy::print_stderr)] // tells of players that are not there

#[path = "../../examples/relay/config/mod.rs"]
#[allow(dead_code, unused_imports)] // the program uses all of it
mod config;
#[path = "../../examples/relay/plan.rs"]
mod plan;
#[path = "../support/process.rs"]
mod process;
#[path = "../../examples/relay/rights.rs"]
mod rights;
#[path = "../interop/tools.rs"]
#[allow(dead_code)] // more players are run there
mod tools;

mod changes;
mod config_file;
mod ffmpeg;
mod peers;
mod program;
mod pushed;

//! In place of `users.rs` in programs that are built without the feature `access`: they have refused
//! the options that would lead here.

use super::{Failure, Program};
use std::path::PathBuf;

const WHY: &str = "this program was built without users";

pub(super) fn let_in(_: &mut Program, _: PathBuf, _: Option<String>) -> Result<(), Failure> {
    Err(WHY.into())
}

pub(crate) fn let_in_one(_: &mut Program, _: &str, _: &str) -> Result<(), Failure> {
    Err(WHY.into())
}

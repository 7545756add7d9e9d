//! [`UserAccess`]: users with passwords, their rights, and tokens. All of it is the feature `access`.

mod attempts;
mod bearers;
mod nonces;
mod passwords;
mod rights;
mod target;
mod token;
mod user_access;
mod user_table;
pub mod users_file;

pub use attempts::AttemptLimits;
pub use passwords::SlowHash;
pub use rights::{Actions, AddressRange, Pattern, Rule, Who};
pub use token::{TokenKey, TokenScope};
pub use user_access::{AccessConfig, UserAccess};
pub use user_table::{User, UserTable};

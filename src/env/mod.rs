//! The event loop: [`UsageEnvironment`].
//!
//! There is one thread and one environment, which is passed down as `&mut`. It owns the poll and
//! its registrations, the delayed tasks, the [`Medium`] objects, the event triggers, the clock and
//! the randomness. [`UsageEnvironment::new`] creates one on the operating system;
//! `UsageEnvironment::simulated` creates one with a virtual clock and an in-memory network, in
//! which the same code runs unchanged. (It is compiled with the feature `simulation`, which is off
//! by default.)
//!
//! The sockets, timers and triggers of a [`Medium`] report to it with an [`Event`] that contains
//! the [`EventKey`] chosen at registration:
//!
//! ```
//! use riverrun::env::{
//!     Event, EventKey, Interest, Medium, MediumHandle, UsageEnvironment,
//! };
//! use riverrun::net::UdpSocket;
//! use std::time::Duration;
//!
//! /// Sends back what it receives.
//! struct Echo {
//!     socket: UdpSocket,
//! }
//!
//! impl Medium for Echo {
//!     fn kind(&self) -> &'static str {
//!         "echo"
//!     }
//!
//!     fn on_added(&mut self, env: &mut UsageEnvironment, me: MediumHandle) {
//!         self.socket.watch(env, me, EventKey::default(), Interest::READABLE).unwrap();
//!     }
//!
//!     fn handle_event(&mut self, env: &mut UsageEnvironment, _: Event) {
//!         let mut datagram = [0; 1500];
//!         if let Ok((n, from)) = self.socket.recv_from(env, &mut datagram) {
//!             let _ = self.socket.send_to(env, &datagram[..n], from);
//!         }
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut env = UsageEnvironment::new()?;
//! let socket = UdpSocket::bind(&mut env, "127.0.0.1:0".parse()?)?;
//! let echo = socket.local_addr()?;
//! env.add(Echo { socket });
//!
//! let mut client = UdpSocket::bind(&mut env, "127.0.0.1:0".parse()?)?;
//! client.send_to(&mut env, b"hello", echo)?;
//! for _ in 0..4 {
//!     env.turn(Some(Duration::from_millis(10)))?;
//! }
//! let mut answer = [0; 1500];
//! assert_eq!(client.recv_from(&mut env, &mut answer)?, (5, echo));
//! # Ok(())
//! # }
//! ```
//!
//! An application attaches to the loop:
//!
//! * its descriptors (a device, a pipe, a socket of another library), with
//!   [`set_background_handling`](UsageEnvironment::set_background_handling);
//! * other threads, with [`create_event_trigger`](UsageEnvironment::create_event_trigger);
//! * signals, with [`create_event_pipe`](UsageEnvironment::create_event_pipe);
//! * timers, with [`schedule_delayed_task`](UsageEnvironment::schedule_delayed_task).
//!
//! An application that has a loop already can nest this one: its loop waits for
//! [`as_fd`](UsageEnvironment::as_fd), at most until
//! [`next_deadline`](UsageEnvironment::next_deadline), and then calls
//! [`turn`](UsageEnvironment::turn).
//!
//! Ids are valid in their own environment only. In another environment, a call with one behaves as
//! for an object that has ended.

mod clock;
mod delay_queue;
mod environment;
mod event;
mod event_pipe;
mod extensions;
mod graveyard;
mod handlers;
mod id;
mod media;
mod medium;
mod random;
mod readiness;
mod registration;
#[cfg(any(test, feature = "simulation"))]
mod sim;
mod sockets;
mod system;
mod tasks;
#[cfg(test)]
mod tests;
mod timer;
mod trigger;
mod triggers;
mod turn;
pub(crate) mod turn_budget;

pub use delay_queue::TaskToken;
pub use environment::{AsAny, LoopStatistics, Medium, UsageEnvironment};
pub use event::Event;
pub use handlers::HandlerId;
pub use id::{EventKey, MediumHandle, MediumId};
pub use medium::MediumError;
pub use readiness::{Interest, Readiness};
#[cfg(any(test, feature = "simulation"))]
pub use sim::{LinkProfile, NetworkStatistics, Simulation};
pub use timer::Timer;
pub use trigger::EventTrigger;

pub(crate) use graveyard::{Dead, Graveyard};
#[cfg(any(test, feature = "simulation"))]
pub(crate) use sockets::SimulatedId;
pub(crate) use sockets::{RegistrationId, Source};

//! Event pipes: triggers for code that can only write to a descriptor.

use super::environment::{DescriptorHandler, TriggerHandler, UsageEnvironment};
use super::readiness::{Interest, Readiness};
use mio::unix::pipe::{self, Receiver};
use std::any::Any;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Bytes that are read in one turn.
const READ_A_TURN: usize = 1024;

struct EventPipe {
    receiver: Receiver,
    handler: TriggerHandler,
}

impl DescriptorHandler for EventPipe {
    fn handle(&mut self, env: &mut UsageEnvironment, _: Readiness) -> bool {
        match self.receiver.read(&mut [0; READ_A_TURN]) {
            // The last writer has closed its end.
            Ok(0) => return false,
            Ok(bytes) => (self.handler)(env, bytes as u64),
            Err(e)
                if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(e) => {
                log::warn!("an event pipe ends: {e}");
                return false;
            }
        }
        true
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        self.receiver.as_fd()
    }

    fn source(&mut self) -> &mut dyn Any {
        &mut self.receiver
    }
}

impl UsageEnvironment {
    /// Creates a pipe, and returns its writing end. When bytes have been written, `handler` is
    /// called on the loop's thread with their number; their values are ignored. The handler is
    /// removed when all copies of the writing end are closed.
    ///
    /// An event pipe is an [event trigger](Self::create_event_trigger) for code that can only write
    /// to a descriptor: a signal handler that another crate installs, a child process, a library in
    /// another language. A write does not block. Bytes written to a full pipe are lost: the handler
    /// is called in any case, but the number may be smaller than that of the bytes written.
    ///
    /// # Signals
    /// The crate `signal-hook` installs signal handlers that write to a descriptor, without unsafe
    /// code in the application. With it, each signal takes one line:
    ///
    /// ```
    /// use riverrun::env::UsageEnvironment;
    /// use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    /// use signal_hook::low_level::pipe;
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicBool, Ordering};
    ///
    /// let mut env = UsageEnvironment::new()?;
    /// pipe::register(SIGHUP, env.create_event_pipe(|_, _| println!("new settings"))?)?;
    ///
    /// let stop = Arc::new(AtomicBool::new(false));
    /// for signal in [SIGINT, SIGTERM] {
    ///     let stop = Arc::clone(&stop);
    ///     let end = move |_: &mut UsageEnvironment, _| stop.store(true, Ordering::Relaxed);
    ///     pipe::register(signal, env.create_event_pipe(end)?)?;
    /// }
    /// # signal_hook::low_level::raise(SIGTERM)?;
    /// env.do_event_loop(&stop)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// No descriptor is available; `Unsupported` in a simulated environment.
    pub fn create_event_pipe(
        &mut self,
        handler: impl FnMut(&mut Self, u64) + 'static,
    ) -> io::Result<OwnedFd> {
        let (sender, receiver) = pipe::new()?;
        let handler = Box::new(handler);
        self.add_handler(Box::new(EventPipe { receiver, handler }), Interest::READABLE)?;
        Ok(sender.into())
    }
}

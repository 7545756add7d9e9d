//! The limit on open descriptors: raising it, and detecting that it is reached.

use crate::env::UsageEnvironment;
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd};

/// Raises the process's soft limit on open descriptors to the hard limit, and returns it.
///
/// # Errors
/// The operating system refuses.
pub fn raise_descriptor_limit() -> io::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    // The type of a limit is not the same on every system.
    #[allow(clippy::useless_conversion)]
    Ok(hard.into())
}

/// How many descriptors are left to the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Descriptors {
    /// Those that are in use, or more if the lowest number is not given out first.
    pub(crate) used: u64,
    pub(crate) limit: u64,
}

impl Descriptors {
    /// As the number of the one that was opened last tells: the operating system gives out the
    /// lowest that is free (POSIX.1-2017, System Interfaces, 2.14).
    pub(super) fn after(latest: impl AsFd) -> Option<Self> {
        let number = u64::try_from(latest.as_fd().as_raw_fd()).ok()?;
        let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
        #[allow(clippy::useless_conversion)]
        Some(Self { used: number + 1, limit: soft.into() })
    }

    /// As one tells that is opened and closed again; `None` if that cannot be known. `local` is an
    /// address of this host, which selects it in a simulated network.
    #[cfg_attr(
        not(any(test, feature = "simulation")),
        allow(clippy::needless_pass_by_ref_mut, reason = "as in a simulated network")
    )]
    pub(crate) fn now(env: &mut UsageEnvironment, local: IpAddr) -> Option<Self> {
        #[cfg(any(test, feature = "simulation"))]
        if env.is_simulated() {
            let (used, limit) = env.network().ok()?.descriptors_of(local)?;
            return Some(Self { used: used as u64, limit: limit as u64 });
        }
        let _ = local;
        match env.as_fd().ok()?.try_clone_to_owned() {
            Ok(copy) => Self::after(copy).map(|of| Self { used: of.used.saturating_sub(1), ..of }),
            Err(e) if is_out_of_descriptors(&e) => Some(Self { used: u64::MAX, limit: u64::MAX }),
            Err(_) => None,
        }
    }

    /// Whether less than an eighth is left.
    pub(crate) const fn are_few(self) -> bool {
        self.limit.saturating_sub(self.used) < self.limit / 8
    }
}

/// Returns whether an operation failed because the process or the system has no descriptor left, or
/// the system no memory for one.
pub fn is_out_of_descriptors(error: &io::Error) -> bool {
    error.raw_os_error().map(Errno::from_raw).is_some_and(|e| {
        matches!(e, Errno::EMFILE | Errno::ENFILE | Errno::ENOBUFS | Errno::ENOMEM)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_descriptor_tells_how_many_are_used() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let descriptors = Descriptors::after(&socket).unwrap();
        assert!(descriptors.used > 3 && descriptors.used <= descriptors.limit);
        let of = |used, limit| Descriptors { used, limit }.are_few();
        assert!(!of(896, 1024) && of(897, 1024) && of(1024, 1024) && !of(6, 6));
        assert!(of(u64::MAX, u64::MAX));
        let mut env = UsageEnvironment::new().unwrap();
        let local = IpAddr::from([127, 0, 0, 1]);
        let now = Descriptors::now(&mut env, local).unwrap();
        assert!(now.used > 3 && now.limit == descriptors.limit);
    }

    #[test]
    fn knows_exhaustion() {
        assert!(is_out_of_descriptors(&Errno::EMFILE.into()));
        assert!(is_out_of_descriptors(&Errno::ENFILE.into()));
        assert!(is_out_of_descriptors(&Errno::ENOBUFS.into()));
        assert!(!is_out_of_descriptors(&Errno::EAGAIN.into()));
        assert!(!is_out_of_descriptors(&io::ErrorKind::Other.into()));
    }
}

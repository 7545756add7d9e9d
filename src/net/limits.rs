//! The limit on open descriptors: raising it, and detecting that it is reached.

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::io;

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
    fn knows_exhaustion() {
        assert!(is_out_of_descriptors(&Errno::EMFILE.into()));
        assert!(is_out_of_descriptors(&Errno::ENFILE.into()));
        assert!(is_out_of_descriptors(&Errno::ENOBUFS.into()));
        assert!(!is_out_of_descriptors(&Errno::EAGAIN.into()));
        assert!(!is_out_of_descriptors(&io::ErrorKind::Other.into()));
    }
}

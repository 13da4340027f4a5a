//! What the process as a whole gives up so that a secret stays inside it.
#![allow(unsafe_code)]

use std::io;

/// Forbids core dumps, and debuggers of the same user, for the rest of the process's life.
///
/// The server calls it before it opens a socket. A digit passes through the stack on its way to
/// locked memory; a core dump would hold it. Afterwards `/proc/self` belongs to root.
///
/// # Errors
/// What the system says when it refuses; neither call needs a privilege.
pub fn harden_process() -> io::Result<()> {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `none` is a valid rlimit that outlives the call, which only reads it.
    if unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const none) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: PR_SET_DUMPABLE takes an integer and touches no memory of ours.
    if unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

//! Hardening changes the whole process, and so has a test process to itself.
#![allow(unsafe_code)]

#[test]
fn a_hardened_process_cannot_dump_core() {
    let dumpable = || {
        // SAFETY: PR_GET_DUMPABLE takes no argument and returns a number.
        unsafe { libc::prctl(libc::PR_GET_DUMPABLE) }
    };
    assert_eq!(dumpable(), 1, "a test process starts dumpable, or this test shows nothing");
    partyline_secret::harden_process().unwrap();
    assert_eq!(dumpable(), 0);
    let mut core = libc::rlimit { rlim_cur: 1, rlim_max: 1 };
    // SAFETY: `core` is a valid rlimit that outlives the call, which writes it.
    assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_CORE, &raw mut core) }, 0);
    assert_eq!((core.rlim_cur, core.rlim_max), (0, 0));
}

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| partyline_fuzzing::sip_identity(data));

//! A dial-in number's own welcome: a file that an administrator brings.

use partyline_dialplan::library;

/// Reads `data` as a FLAC file.
pub fn prompt_flac(data: &[u8]) {
    match library::load_brand(data) {
        Ok(clip) => {
            assert!(matches!(clip.rate, 8_000 | 16_000));
            assert!(!clip.samples.is_empty());
            let rate = usize::try_from(clip.rate).expect("16,000 at most");
            assert!(clip.samples.len() <= 60 * rate, "longer than a minute");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

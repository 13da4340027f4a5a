//! In-band DTMF: finds key presses in 8 kHz speech ([`Detector`], or eight calls at once: [`Lanes`])
//! and makes the tones ([`tone::Burst`]).
//!
//! Samples only. RTP events (RFC 4733), SIP INFO and the choice between a digit's sources belong
//! to the media core. Standard library only, no clock, no allocation after construction.
//!
//! ```
//! use partyline_dtmf::{Detector, Event, tone::Burst};
//!
//! let mut detector = Detector::new();
//! let mut pressed = Vec::new();
//! let audio = Burst { code: 7, ..Burst::default() }.samples();
//! detector.push(&audio, &mut |event| {
//!     if let Event::Down { code, .. } = event {
//!         pressed.push(code);
//!     }
//! });
//! assert_eq!(pressed, [7]);
//! ```

mod background;
mod bands;
mod calls;
mod decimate;
mod decision;
mod detector;
mod lanes;
mod look;
mod rate;
mod residual;
mod series;
mod simd;
#[cfg(test)]
mod sound;
mod spectrum;
pub mod tone;
mod tones;
mod track;
#[doc(hidden)]
pub mod training;

mod weights;
mod wideband;

pub use decimate::{Decimated, Decimator};
pub use detector::{Detector, Event};
pub use lanes::Lanes;
pub use rate::Rate;
pub use wideband::WidebandDetector;

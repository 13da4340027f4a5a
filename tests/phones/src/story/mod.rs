//! Stories in JSON for real sockets: read, play, judge, and leave a log for each phone.
//!
//! Everything here touches files or sockets; the phones themselves do not.

mod format;
mod play;
mod report;
mod sound;

pub use format::{PhoneStory, StepStory, Story};
pub use play::{Plan, Played, StoryLine, plan};
pub use report::{CallLog, PhoneLog, phone_log};
pub use sound::{read_sound, write_wav};

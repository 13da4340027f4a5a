//! Mutants of RFC 4475's messages and of the corpus, over every transport to a whole user agent:
//! `cargo run --release -p partyline-fuzzing --example mutants -- 10000000`, or `make mutants`.
//!
//! The same number makes the same mutants. One that panics is shown with its number, and its input
//! is written to the file that the last line names.

#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a command")]

#[path = "../tests/mutator/mod.rs"]
mod mutator;

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::Instant;

use mutator::Mutator;

/// Between two lines that say how far it is.
const SAY: u64 = 1_000_000;

fn seeds() -> Vec<Vec<u8>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["../golden/rfc4475", "../fuzz/corpus/sip_message", "../fuzz/corpus/sip_stream"];
    let mut paths: Vec<PathBuf> = Vec::new();
    for folder in folders {
        let files = fs::read_dir(here.join(folder)).expect("a folder of seeds");
        paths.extend(files.map(|file| file.expect("readable").path()));
    }
    paths.sort();
    paths.into_iter().map(|path| fs::read(path).expect("readable")).collect()
}

/// Plays every mutant of one thread; the input that broke something.
fn play(thread: usize, count: u64, seeds: &[Vec<u8>]) -> Result<(), Vec<u8>> {
    let others: Vec<&[u8]> = seeds.iter().map(Vec::as_slice).collect();
    let mut mutator = Mutator::new(&format!("mutants {thread}"));
    let mut seed = seeds.iter().cycle();
    for n in 1..=count {
        let Some(seed) = seed.next() else { return Ok(()) };
        let input = mutator.mutate(seed, &others);
        if catch_unwind(|| partyline_fuzzing::sip_stream(&input)).is_err() {
            return Err(input);
        }
        if n % SAY == 0 {
            println!("thread {thread}: {n} of {count}");
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    let count = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(SAY);
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let each = count.div_ceil(u64::try_from(threads).unwrap_or(1));
    let (seeds, began) = (seeds(), Instant::now());
    let broken: Vec<_> = thread::scope(|scope| {
        let seeds = &seeds;
        let running: Vec<_> =
            (0..threads).map(|number| scope.spawn(move || play(number, each, seeds))).collect();
        running.into_iter().filter_map(|thread| thread.join().ok()?.err()).collect()
    });
    let made = each * u64::try_from(threads).unwrap_or(1);
    for (n, input) in broken.iter().enumerate() {
        let path = std::env::temp_dir().join(format!("partyline-mutant-{n}"));
        let kept = fs::write(&path, input).map(|()| path.display().to_string());
        println!("broken: {kept:?}");
    }
    let seconds = began.elapsed().as_secs();
    println!(
        "{made} mutants of {} seeds, {} broke something, {seconds} s",
        seeds.len(),
        broken.len()
    );
    if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

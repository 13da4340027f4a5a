//! `partyline serve`: sockets, threads, clocks and files around the node.
//!
//! Decides nothing about calls. Order of the start: the ports first, so that a taken one stops it
//! before anything is made or announced; then store and journal, so that no call is answered before
//! its record can be kept. Datagrams that come meanwhile wait for the control task.

mod ask;
mod bans;
mod certificates;
mod control;
mod directory;
mod dns;
mod folders;
mod http;
mod live;
mod logins;
mod machine;
mod metrics;
mod ports;
mod random;
mod recorder;
mod shelf;
mod sounds;
mod trace;
mod transport;
mod trunks;
mod users;

use std::collections::VecDeque;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use partyline_cdr_record::{DialogRecord, Origin};
use partyline_cdr_store::Store;
use partyline_cdr_store::ingest::Ingest;
use partyline_cdr_store::journal::{
    self, Health, Journal, JournalConfig, JournalHandle, JournalThread, Recovered, SetAside,
};
use partyline_cdr_store::keys::Keys;
use partyline_conference::Bridge;
use partyline_control::{Lookup, Node, Sources};
use partyline_dialplan::Plan;
use partyline_directory::Snapshot;
use partyline_dtls::Certified;
use partyline_media::{AudioLibrary, Worker};
use partyline_media_io::{Clock, MediaHandle, MediaThread};
use partyline_model::{IdSource, RecordingId, Time, Uuid, WallTime};
use partyline_secret::{Vault, harden_process};
use partyline_sip::locate::{Abilities, Found};
use partyline_sip::{Endpoint, Listener, Transport};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, mpsc, watch};

use crate::config::Config;
use crate::data::Data;
use crate::demo;
pub(crate) use ask::SocketPath;
use certificates::Fetcher;
use control::{Control, Ending, Inbox};
use dns::Names;
pub(crate) use folders::Folders;
pub(crate) use live::NAME as LIVE;
use machine::Granted;
use random::Random;
use recorder::Recorder;
use shelf::Shelf;
pub(crate) use shelf::{FOLDER as TRACES, files as trace_files};
use sounds::Sounds;
pub(crate) use transport::Credentials;
use transport::Transports;

/// Requests that the journal's thread may have waiting; more are refused, and the calls with them.
const JOURNAL_QUEUE: usize = 8192;
/// From SIGTERM to the end, at most.
const DRAIN_DEADLINE: Duration = Duration::from_secs(60);

/// Runs a bridge until SIGTERM or SIGINT has drained it.
///
/// # Errors
/// What keeps it from starting, with what to do about it.
pub(crate) fn run(config: Config) -> anyhow::Result<()> {
    harden_process().context("cannot switch core dumps off")?;
    raise_open_files();
    let granted = Granted::ask();
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("the system gives no threads")?
        .block_on(serve(config, granted))
}

async fn serve(mut config: Config, granted: Granted) -> anyhow::Result<()> {
    config.read_files()?;
    let clock = Clock::start();
    let started = clock.wall();
    let (sources, known) = watch::channel(Arc::new(Sources::new(&config.control.trunks)));
    let (transports, arrivals) = Transports::bind(&config, clock, known).await?;
    let pages = http::bind(config.http_listen).await?;
    ports::probe(config.media_bind, config.control.ports)?;
    let Data { store, keys, folders } = Data::make(&config).await?;
    check_keys(&store, &keys, &folders.keys).await?;
    let keys = Arc::new(keys);
    let mut random = Random::from_system()?;
    let boot_id = Uuid::v7(started, random.next_u128());
    let origin = Origin { node_id: config.node_id, boot_id };

    let (durable, durable_inbox) = mpsc::unbounded_channel();
    let written = JournalConfig::new(origin).of(store.folder());
    let (journal, lost) = start_journal(&folders, clock, written, durable)?;
    let ingest = Ingest::new(store.clone(), &folders.journal);
    let ingested = ingest.watch();
    let following = tokio::spawn(ingest.follow(journal.durable()));

    let media_events = Arc::new(Notify::new());
    let sounds = Sounds::load(&folders.brands)?;
    config.control.brands = sounds.brands;
    let media = start_media(&config, clock, sounds.library, &media_events)?;
    let (recording_failed, recording_inbox) = mpsc::unbounded_channel::<RecordingId>();
    let recorder = Recorder::start(folders.recordings, media.recordings, recording_failed)
        .context("the system gives no thread for recordings")?;

    // A bridge that somebody configured begins empty.
    let demo = match config.file {
        None => demo::ensure(&store, &keys).await?,
        Some(_) => None,
    };
    let snapshot = Arc::new(store.load_snapshot(keys.pepper()).await?);
    let version = snapshot.version();
    let contact_key = partyline_cdr_store::keys::contact_key(&folders.keys)?;
    let known = Arc::clone(&sources.borrow());
    let made_with = NodeParts { origin, started, snapshot, known, contact_key };
    let mut node = node(&config, &transports, made_with)?;
    hang_up_lost(&mut node, clock, lost);
    let (names, names_inbox) = start_names(&config, clock, &transports)?;
    let (certificates, certificates_inbox) = start_certificates(&config)?;
    let (changed, directory_inbox) = mpsc::channel(1);
    tokio::spawn(directory::watch(store, keys, version, changed));

    let (renewed, logins_inbox) = mpsc::channel(1);
    tokio::spawn(logins::follow(logins::Owner::all(&config), renewed));

    let (sample, sample_reader) = watch::channel(metrics::Sample::default());
    let (health, health_reader) = watch::channel(Health::default());
    let pages_show = http::Sources {
        sample: sample_reader,
        journal: health_reader,
        ingested,
        media: media.stats.clone(),
    };
    http::start(pages, pages_show, granted.is_locked());
    let asked = take_questions(&config.data_dir, clock)?;
    let shelf = shelf(&config, clock, &mut node)?;
    tokio::spawn(machine::watch(granted, media.stats));
    let stop = stop_signals()?;
    if let Some(demo) = demo {
        std::io::stdout().write_all(demo.greeting().as_bytes())?;
    }
    say_started(&config);
    node.start_trunks(clock.now());

    let control = Control {
        clock,
        node,
        transports,
        sources,
        names,
        certificates,
        commands: media.commands,
        events: media.events,
        media: media.thread,
        journal,
        recorder,
        followers: live::Followers::default(),
        waiting: VecDeque::new(),
        shelf,
        traces_lost: 0,
        sample,
        health,
        calls_ended: 0,
        ending: Ending::No,
        drained: false,
    };
    let inbox = Inbox {
        arrivals,
        media: media_events,
        durable: durable_inbox,
        directory: directory_inbox,
        names: names_inbox,
        certificates: certificates_inbox,
        logins: logins_inbox,
        recording_failed: recording_inbox,
        asked,
        stop,
    };
    let control = control.run(inbox, DRAIN_DEADLINE).await;
    finish(control, following).await
}

/// What is doubtful in the configuration, and where the bridge is reached.
fn say_started(config: &Config) {
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    tracing::info!(
        sip = ?config.sip.listen,
        connections = connections(&config.sip.streams),
        http = %config.http_listen,
        data = %config.data_dir.display(),
        "partyline is taking calls"
    );
}

/// Where traces are kept on disk, if they are; the node has them held then.
fn shelf(config: &Config, clock: Clock, node: &mut Node) -> anyhow::Result<Option<Shelf>> {
    let hours = config.trace_hours;
    if hours == 0 {
        return Ok(None);
    }
    node.keep_traces();
    let shelf = Shelf::start(&config.data_dir, hours, clock).context("traces cannot be kept")?;
    Ok(Some(shelf))
}

/// Refuses keys that open no passcode of the database, and says of how many others they open none.
///
/// # Errors
/// What to do: there are passcodes, and a caller could type none of them.
async fn check_keys(store: &Store, keys: &Keys, folder: &Path) -> anyhow::Result<()> {
    let (open, passcodes) = store.passcodes_of(keys).await?;
    let folder = folder.display();
    if open == 0 && passcodes > 0 {
        anyhow::bail!(
            "the keys in {folder} are not those that the {passcodes} passcodes in the database were \
             made with: put the right pepper.key and seal.key there. If they are lost for good, \
             give every conference new passcodes: partyline passcode new CONFERENCE"
        );
    }
    if open < passcodes {
        tracing::warn!(
            "{} of {passcodes} passcodes were not made with the keys in {folder}: no caller gets \
             in by them; see which with partyline passcode show, and give their conferences new \
             ones: partyline passcode new CONFERENCE",
            passcodes - open
        );
    }
    Ok(())
}

/// Ends in the order that loses nothing: sound, recordings, records, store.
async fn finish(control: Control, following: tokio::task::JoinHandle<()>) -> anyhow::Result<()> {
    let Control { media, recorder, journal, drained, transports, .. } = control;
    transports.finish().await;
    media.stop().context("while ending")?;
    drop(recorder);
    journal.stop();
    following.await.context("the ingest task panicked")?;
    if !drained {
        anyhow::bail!(
            "ended before every record was on disk: the next start closes the records that are \
             still open, and sends BYE to the far ends of their calls"
        );
    }
    tracing::info!("ended");
    Ok(())
}

/// Takes as many open files as the system allows: each call needs two sockets.
fn raise_open_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files stays as it is: it bounds the calls");
    }
}

/// The node's clock for the journal: its ticks must be of the time that records are made with.
struct JournalClock(Clock);

impl journal::Clock for JournalClock {
    fn now(&self) -> (Time, WallTime) {
        (self.0.now(), self.0.wall())
    }
}

fn start_journal(
    folders: &Folders,
    clock: Clock,
    config: JournalConfig,
    durable: mpsc::UnboundedSender<(u64, bool)>,
) -> anyhow::Result<(JournalHandle, Vec<DialogRecord>)> {
    let disk = journal::FileDisk::open(&folders.journal)?;
    let (journal, recovered) = Journal::open(Box::new(disk), config, clock.now(), clock.wall())?;
    say_recovered(&recovered);
    let answer = Box::new(move |done: Vec<(u64, Result<(), ()>)>| {
        for (token, result) in done {
            // When the control task has ended there is nobody to tell.
            durable.send((token, result.is_ok())).unwrap_or_default();
        }
    });
    let handle = JournalThread::spawn(journal, JournalClock(clock), JOURNAL_QUEUE, answer)
        .context("the system gives no thread for the journal")?;
    Ok((handle, recovered.dialogs))
}

/// What the start found in the journal, for the log.
fn say_recovered(recovered: &Recovered) {
    if !recovered.legs.is_empty() {
        tracing::warn!(
            orphans = recovered.legs.len(),
            "the last run did not end well: its open legs were closed at their last sign of life"
        );
    }
    for (first, count) in &recovered.missing {
        tracing::error!(
            "the journal lacks {count} segments from {first:08}.plj on, and no program removes \
             any: what only they had is lost unless they are put back"
        );
    }
    for SetAside { damage, copy } in &recovered.damaged {
        let copy = copy.as_ref().map_or_else(
            |error| format!("could not be made: {error}"),
            |name| format!("is journal/{name}"),
        );
        tracing::warn!(
            "the journal is torn or damaged: {damage}; a copy {copy}. A crash in the middle of a \
             write tears the end of a segment, and nothing acknowledged is lost by that"
        );
    }
    if recovered.behind_damage > 0 {
        tracing::error!(
            frames = recovered.behind_damage,
            "the journal is damaged before these frames, which were read: the disk may be failing"
        );
    }
}

fn start_media(
    config: &Config,
    clock: Clock,
    library: AudioLibrary,
    news: &Arc<Notify>,
) -> anyhow::Result<MediaHandle> {
    let worker = Worker::new(partyline_media::Config::default(), Arc::new(library));
    let media = partyline_media_io::Config {
        addresses: config.media_bind.iter().collect(),
        realtime: Some(machine::REALTIME),
        ..partyline_media_io::Config::default()
    };
    let news = Arc::clone(news);
    let wake = Box::new(move || news.notify_one());
    MediaThread::spawn(&media, clock, worker, wake).context("cannot start the media thread")
}

/// Where connections are taken, by transport; nothing where none are.
fn connections(streams: &[(Transport, SocketAddr)]) -> Option<String> {
    let each = streams.iter().map(|(transport, address)| format!("{transport} {address}"));
    let all = each.collect::<Vec<_>>().join(", ");
    (!all.is_empty()).then_some(all)
}

/// Listens on the sockets in the data folder; what is asked there.
fn take_questions(data: &Path, clock: Clock) -> anyhow::Result<mpsc::Receiver<ask::Question>> {
    let (questions, asked) = mpsc::channel(1);
    ask::start(ask::bind(data, ask::NAME)?, clock, questions.clone());
    live::start(ask::bind(data, live::NAME)?, questions);
    Ok(asked)
}

/// What a node is made with, beside its configuration.
struct NodeParts {
    origin: Origin,
    started: WallTime,
    snapshot: Arc<Snapshot>,
    known: Arc<Sources>,
    contact_key: [u8; 32],
}

fn node(
    config: &Config,
    transports: &Transports,
    NodeParts { origin, started, snapshot, known, contact_key }: NodeParts,
) -> anyhow::Result<Node> {
    let bound = transports.first().context("sip.listen names no address")?;
    let advertised = config.sip.advertised.unwrap_or(bound);
    let vault = Vault::new().context(
        "secrets cannot be kept out of swap: raise the locked-memory limit (ulimit -l) of the \
         service",
    )?;
    let bridge = Bridge::new(
        config.conference.clone(),
        partyline_conference::Parts {
            origin,
            start: started,
            random: Box::new(Random::from_system()?),
            vault,
            snapshot: Arc::clone(&snapshot),
            plan: Arc::new(Plan::nanp()),
            profiles: config.star_profiles()?,
        },
    );
    let stream = |&(transport, local): &(_, SocketAddr)| {
        // Behind NAT, or where every address is listened on, others know one address of ours.
        let ip = config.sip.advertised.map_or(local.ip(), |known| known.ip());
        Listener { transport, local, advertised: SocketAddr::new(ip, local.port()) }
    };
    let streams = transports.listeners().iter().map(stream).collect();
    let usual = partyline_sip::Config::new(advertised);
    let sip = partyline_sip::Config { streams, resolves: true, ..usual };
    let endpoint = Endpoint::new(sip, Box::new(Random::from_system()?));
    let parts = partyline_control::Parts {
        endpoint,
        bridge,
        random: Box::new(Random::from_system()?),
        directory: snapshot,
        sources: known,
        handshakes: Box::new(Certified::new()?),
        contact_key,
    };
    let mut node = Node::new(config.control.clone(), parts);
    users::introduce(&mut node, config, &mut Random::from_system()?)?;
    Ok(node)
}

/// Has the far ends told that calls of the last run are over.
fn hang_up_lost(node: &mut Node, clock: Clock, lost: Vec<DialogRecord>) {
    if !lost.is_empty() {
        let calls = lost.len();
        tracing::warn!(calls, "far ends of the last run may still be up: each is sent BYE");
        node.hang_up_lost(clock.now(), lost);
    }
}

/// Starts asking name servers for what is of use here.
fn start_names(
    config: &Config,
    clock: Clock,
    transports: &Transports,
) -> anyhow::Result<(Names, mpsc::Receiver<(Lookup, Found)>)> {
    let streams = transports.listeners();
    let listens = |wanted: &Transport| streams.iter().any(|(transport, _)| transport == wanted);
    let by_stream = [Transport::Tcp, Transport::Tls].into_iter().filter(listens);
    let all = || config.sip.listen.iter().chain(streams.iter().map(|(_, at)| at));
    let abilities = Abilities {
        transports: [Transport::Udp].into_iter().chain(by_stream).collect(),
        v4: all().any(SocketAddr::is_ipv4),
        v6: all().any(SocketAddr::is_ipv6),
    };
    let random = Box::new(Random::from_system()?);
    Ok(Names::start(&config.dns_servers, clock, abilities, random))
}

/// What fetches certificates of carriers, where signatures are looked into.
fn start_certificates(
    config: &Config,
) -> anyhow::Result<(Fetcher, mpsc::Receiver<certificates::Found>)> {
    let stir = &config.stir;
    if !stir.is_used {
        return Ok(Fetcher::new(None, None, false));
    }
    let resolver = dns::resolver(&config.dns_servers);
    if let Err(error) = &resolver {
        tracing::warn!(
            "the system names no name server: no certificate of a carrier can be fetched; name one \
             with dns.servers: {error}"
        );
    }
    let tls = transport::web_client().context("TLS to fetch certificates by")?;
    Ok(Fetcher::new(resolver.ok(), Some(tls), stir.allow_loopback))
}

/// A message for each SIGTERM or SIGINT.
fn stop_signals() -> anyhow::Result<mpsc::Receiver<()>> {
    let (stop, inbox) = mpsc::channel(2);
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let mut signals = signal(kind).context("cannot listen for signals")?;
        let stop = stop.clone();
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                if stop.send(()).await.is_err() {
                    return;
                }
            }
        });
    }
    Ok(inbox)
}

//! Names and their addresses: one task that owns the [`Locator`] and asks name servers for it.
//!
//! The control task hands over what it wants to know and goes on; what was found comes back over a
//! channel. Nothing waits for a name server but the lookup itself. What is remembered, for how long,
//! and who may ask for how much is the locator's; the resolver remembers nothing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts, ServerOrderingStrategy,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::{RData, RecordType};
use partyline_control::Lookup;
use partyline_media_io::Clock;
use partyline_model::IdSource;
use partyline_sip::Target;
use partyline_sip::locate::{
    Abilities, Found, Locator, LocatorOutput, Naptr, Question, Records, Search, Srv,
};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Lookups that may wait for the task; more are answered with nothing.
const WAITING: usize = 256;
/// How long one name server may take.
const ONE_SERVER: Duration = Duration::from_secs(1);
/// How long a question may take, redirections to other names included.
const LONGEST: Duration = Duration::from_secs(3);
/// Name servers that are asked at one time: all that a system usually has.
const AT_ONCE: usize = 3;
/// How long it holds that there is nothing, where the name server does not say.
const NOTHING: Duration = Duration::from_secs(10);

enum Order {
    Look(Lookup, Search),
    Failed(Target),
}

/// What was counted.
#[derive(Debug, Default)]
struct Counts {
    questions: AtomicU64,
    unanswered: AtomicU64,
    refused: AtomicU64,
}

/// The control task's end.
pub(super) struct Names {
    orders: mpsc::Sender<Order>,
    counts: Arc<Counts>,
    unasked: u64,
}

/// What was counted, for `/metrics`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct NameCounts {
    /// Questions to name servers.
    pub(super) questions: u64,
    /// Those of them that had no answer.
    pub(super) unanswered: u64,
    /// Lookups that were not made, since there were too many.
    pub(super) refused: u64,
}

impl Names {
    /// Starts the task, which asks `servers`, or those of the system where there are none.
    pub(super) fn start(
        servers: &[SocketAddr],
        clock: Clock,
        abilities: Abilities,
        random: Box<dyn IdSource>,
    ) -> (Self, mpsc::Receiver<(Lookup, Found)>) {
        let resolver = resolver(servers);
        if let Err(error) = &resolver {
            tracing::warn!(
                "the system names no name server: trunks and far ends are reached by address \
                 alone; name one with dns.servers: {error}"
            );
        }
        let (orders, received) = mpsc::channel(WAITING);
        let (found, inbox) = mpsc::channel(WAITING);
        let counts = Arc::new(Counts::default());
        let task = Task {
            clock,
            locator: Locator::new(abilities, random),
            resolver: resolver.ok(),
            open: JoinSet::new(),
            counts: Arc::clone(&counts),
        };
        tokio::spawn(task.run(received, found));
        (Self { orders, counts, unasked: 0 }, inbox)
    }

    /// Looks for servers; `false` when too much is asked for already.
    pub(super) fn look(&mut self, lookup: Lookup, search: Search) -> bool {
        let taken = self.orders.try_send(Order::Look(lookup, search)).is_ok();
        self.unasked += u64::from(!taken);
        taken
    }

    /// A target could not be reached: for a while others come before it.
    pub(super) fn failed(&mut self, target: Target) {
        if self.orders.try_send(Order::Failed(target)).is_err() {
            self.unasked += 1;
        }
    }

    pub(super) fn counts(&self) -> NameCounts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        NameCounts {
            questions: read(&self.counts.questions),
            unanswered: read(&self.counts.unanswered),
            refused: read(&self.counts.refused) + self.unasked,
        }
    }
}

/// A question with what became of it.
type Answered = (Question, Option<(Records, Duration)>);

struct Task {
    clock: Clock,
    locator: Locator<Lookup>,
    resolver: Option<TokioResolver>,
    /// As many as the locator has open at most.
    open: JoinSet<Answered>,
    counts: Arc<Counts>,
}

impl Task {
    /// Runs until the control task has ended.
    async fn run(
        mut self,
        mut orders: mpsc::Receiver<Order>,
        found: mpsc::Sender<(Lookup, Found)>,
    ) {
        loop {
            let due = self.locator.poll_timeout().map(|at| at - self.clock.now());
            tokio::select! {
                order = orders.recv() => match order {
                    Some(Order::Look(lookup, search)) => {
                        self.locator.handle_lookup(self.clock.now(), lookup, search);
                    }
                    Some(Order::Failed(target)) => {
                        self.locator.handle_failed(self.clock.now(), target);
                    }
                    None => return,
                },
                Some(answered) = self.open.join_next() => self.take(answered),
                () = sleep(due.unwrap_or(LONGEST)) => {
                    self.locator.handle_timeout(self.clock.now());
                }
            }
            self.counts.refused.store(self.locator.refused(), Ordering::Relaxed);
            while let Some(output) = self.locator.poll_output() {
                match output {
                    LocatorOutput::Ask(question) => self.ask(question),
                    LocatorOutput::Located { key, found: what } => {
                        if found.send((key, what)).await.is_err() {
                            return;
                        }
                    }
                }
            }
        }
    }

    fn ask(&mut self, question: Question) {
        self.counts.questions.fetch_add(1, Ordering::Relaxed);
        let resolver = self.resolver.clone();
        self.open.spawn(async move {
            let answer = match &resolver {
                Some(resolver) => timeout(LONGEST, ask(resolver, &question)).await.ok().flatten(),
                None => None,
            };
            (question, answer)
        });
    }

    fn take(&mut self, answered: Result<Answered, tokio::task::JoinError>) {
        match answered {
            Ok((question, answer)) => {
                if answer.is_none() {
                    self.counts.unanswered.fetch_add(1, Ordering::Relaxed);
                }
                self.locator.handle_answer(self.clock.now(), question, answer);
            }
            Err(error) => tracing::error!(%error, "a question to a name server was lost"),
        }
    }
}

/// The resolver of `servers`, or of the system.
pub(super) fn resolver(servers: &[SocketAddr]) -> Result<TokioResolver, NetError> {
    let mut builder = if servers.is_empty() {
        TokioResolver::builder_tokio()?
    } else {
        let servers = servers.iter().copied().map(name_server).collect();
        let config = ResolverConfig::from_parts(None, Vec::new(), servers);
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
    };
    let options: &mut ResolverOpts = builder.options_mut();
    options.timeout = ONE_SERVER;
    options.attempts = 0;
    options.cache_size = 0;
    options.num_concurrent_reqs = AT_ONCE;
    options.server_ordering_strategy = ServerOrderingStrategy::UserProvidedOrder;
    builder.build()
}

fn name_server(at: SocketAddr) -> NameServerConfig {
    let with_port = |mut connection: ConnectionConfig| {
        connection.port = at.port();
        connection
    };
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(with_port);
    NameServerConfig::new(at.ip(), true, connections.to_vec())
}

/// Asks name servers; `None` when they do not answer.
async fn ask(resolver: &TokioResolver, question: &Question) -> Option<(Records, Duration)> {
    let (name, kind) = match question {
        Question::Naptr(name) => (name, RecordType::NAPTR),
        Question::Srv(name) => (name, RecordType::SRV),
        Question::A(name) => (name, RecordType::A),
        Question::Aaaa(name) => (name, RecordType::AAAA),
    };
    // With the final dot no domain of the system is put behind it.
    let lookup = match resolver.lookup(format!("{name}."), kind).await {
        Ok(lookup) => lookup,
        Err(NetError::Dns(DnsError::NoRecordsFound(nothing))) => {
            let ttl = nothing.negative_ttl.map_or(NOTHING, |ttl| Duration::from_secs(ttl.into()));
            return Some((none(question), ttl));
        }
        Err(error) => {
            tracing::debug!(%name, %kind, %error, "name servers do not say");
            return None;
        }
    };
    let ttl = lookup.answers().iter().map(|record| record.ttl).min().unwrap_or_default();
    let data = lookup.answers().iter().map(|record| &record.data);
    let records = match question {
        Question::Naptr(_) => Records::Naptr(data.filter_map(naptr).collect()),
        Question::Srv(_) => Records::Srv(data.filter_map(srv).collect()),
        Question::A(_) | Question::Aaaa(_) => {
            let address = |data: &RData| data.ip_addr();
            Records::Addresses(data.filter_map(address).collect())
        }
    };
    Some((records, Duration::from_secs(ttl.into())))
}

fn none(question: &Question) -> Records {
    match question {
        Question::Naptr(_) => Records::Naptr(Vec::new()),
        Question::Srv(_) => Records::Srv(Vec::new()),
        Question::A(_) | Question::Aaaa(_) => Records::Addresses(Vec::new()),
    }
}

fn naptr(data: &RData) -> Option<Naptr> {
    let RData::NAPTR(found) = data else { return None };
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    Some(Naptr {
        order: found.order,
        preference: found.preference,
        flags: text(&found.flags),
        service: text(&found.services),
        replacement: found.replacement.to_ascii(),
    })
}

fn srv(data: &RData) -> Option<Srv> {
    let RData::SRV(found) = data else { return None };
    let target = found.target.to_ascii();
    Some(Srv { priority: found.priority, weight: found.weight, port: found.port, target })
}

//! Names of hosts and their addresses, remembered for some minutes: each target is asked every
//! minute, and the system's resolver blocks a thread for each question.
//!
//! All fetchers connect to what [`lookup`] gives, as in
//! `TcpStream::connect(&dns::lookup((host, port)).await?[..])`; what they tell the server, such as a
//! Host header, stays the name.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

/// An answer is used for so long without asking again.
const FRESH: Duration = Duration::from_secs(5 * 60);
/// After a failure it is asked again no sooner.
const RETRY: Duration = Duration::from_secs(30);
/// An answer older than that is used no more, should no new one come: servers that are well shall
/// be watched on when the name server is not.
const KEPT: Duration = Duration::from_secs(3600);
/// Questions at once: each blocks a thread, for many seconds where the name server is silent.
const AT_ONCE: usize = 32;

static CACHE: LazyLock<Arc<Cache>> = LazyLock::new(|| Arc::new(Cache::new(ask_system)));

/// The addresses of a host with that port, best first, and at least one; an address is its own.
///
/// # Errors
/// Where the name has none, in the resolver's words.
pub async fn lookup((host, port): (&str, u16)) -> io::Result<Vec<SocketAddr>> {
    let addresses = CACHE.lookup(host).await?;
    Ok(addresses.into_iter().map(|ip| SocketAddr::new(ip, port)).collect())
}

fn ask_system(host: &str) -> io::Result<Vec<IpAddr>> {
    Ok((host, 0).to_socket_addrs()?.map(|address| address.ip()).collect())
}

/// Asks for the addresses of a name; may block.
type Ask = fn(&str) -> io::Result<Vec<IpAddr>>;

struct Cache {
    ask: Ask,
    names: Mutex<HashMap<String, Arc<Name>>>,
    turns: Semaphore,
}

/// What is known of a name.
struct Name {
    answer: watch::Sender<Answer>,
}

#[derive(Clone)]
struct Answer {
    /// The last good answer, and when it came.
    good: Option<(Instant, Vec<IpAddr>)>,
    /// The failure of the last question, where it failed.
    failure: Option<String>,
    /// When it was asked last; `None`: a question is under way.
    asked: Option<Instant>,
    used: Instant,
}

impl Answer {
    /// Whether it is time to ask again.
    fn is_old(&self) -> bool {
        let holds = if self.failure.is_some() { RETRY } else { FRESH };
        self.asked.is_some_and(|asked| asked.elapsed() >= holds)
    }

    /// What to tell; `None`: wait for the question under way.
    fn told(&self) -> Option<io::Result<Vec<IpAddr>>> {
        match &self.good {
            // Rather an old answer at once than a new one late.
            Some((came, addresses)) if came.elapsed() < KEPT => Some(Ok(addresses.clone())),
            _ if self.asked.is_none() => None,
            _ => self.failure.clone().map(|text| Err(io::Error::other(text))),
        }
    }
}

impl Cache {
    fn new(ask: Ask) -> Self {
        Self { ask, names: Mutex::default(), turns: Semaphore::new(AT_ONCE) }
    }

    async fn lookup(self: &Arc<Self>, host: &str) -> io::Result<Vec<IpAddr>> {
        if let Ok(ip) = host.parse() {
            return Ok(vec![ip]);
        }
        let (name, mut answers, must_ask) = self.name(host);
        if must_ask {
            // A task of its own: whoever asked may give up, and others wait for the answer too.
            let (cache, host) = (Arc::clone(self), host.to_owned());
            tokio::spawn(async move { cache.ask_for(&host, &name).await });
        }
        // An error would mean that the name was forgotten with a question under way.
        let answer = answers.wait_for(|answer| answer.told().is_some()).await;
        answer.ok().and_then(|answer| answer.told()).unwrap_or_else(|| {
            Err(io::Error::other(format!("no answer to the question for '{host}'")))
        })
    }

    /// The entry of a name, a view of its answers, and whether to ask.
    fn name(&self, host: &str) -> (Arc<Name>, watch::Receiver<Answer>, bool) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let Some(name) = names.get(host) else {
            // Names that nobody needs any more go when a new one comes.
            names.retain(|_, name| name.answer.borrow().used.elapsed() < KEPT);
            let unknown = Answer { good: None, failure: None, asked: None, used: now };
            let (answer, answers) = watch::channel(unknown);
            let name = Arc::new(Name { answer });
            names.insert(host.to_owned(), Arc::clone(&name));
            return (name, answers, true);
        };
        let mut must_ask = false;
        name.answer.send_if_modified(|answer| {
            answer.used = now;
            must_ask = answer.is_old();
            if must_ask {
                answer.asked = None;
            }
            false
        });
        (Arc::clone(name), name.answer.subscribe(), must_ask)
    }

    async fn ask_for(&self, host: &str, name: &Name) {
        let result = {
            // Never closed, so always a turn.
            let _turn = self.turns.acquire().await;
            let (ask, host) = (self.ask, host.to_owned());
            tokio::task::spawn_blocking(move || ask(&host)).await
        };
        let result = result.unwrap_or_else(|error| Err(io::Error::other(error)));
        name.answer.send_modify(|answer| {
            let now = Instant::now();
            answer.asked = Some(now);
            match result {
                Ok(addresses) if !addresses.is_empty() => {
                    answer.good = Some((now, addresses));
                    answer.failure = None;
                }
                Ok(_) => answer.failure = Some(format!("'{host}' has no address")),
                Err(error) => {
                    answer.failure = Some(format!("the address of '{host}' is not known: {error}"));
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU8, Ordering};

    /// A cache on an `ask` of its own, which counts: the n-th question is answered with 10.0.0.n,
    /// and fails while `$fails` holds.
    macro_rules! counting {
        ($asked:ident, $fails:ident) => {{
            static $asked: AtomicU8 = AtomicU8::new(0);
            static $fails: AtomicU8 = AtomicU8::new(0);
            fn ask(_: &str) -> io::Result<Vec<IpAddr>> {
                let count = $asked.fetch_add(1, Ordering::SeqCst) + 1;
                match $fails.load(Ordering::SeqCst) {
                    0 => Ok(vec![[10, 0, 0, count].into()]),
                    _ => Err(io::Error::other("no name server")),
                }
            }
            (Arc::new(Cache::new(ask)), &$asked, &$fails)
        }};
    }

    fn ip(last: u8) -> Vec<IpAddr> {
        vec![[10, 0, 0, last].into()]
    }

    /// Waits until so many questions were answered.
    async fn asked(cache: &Cache, count: &AtomicU8, expected: u8) {
        while count.load(Ordering::SeqCst) < expected || {
            let names = cache.names.lock().unwrap();
            names.values().any(|name| name.answer.borrow().asked.is_none())
        } {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn an_address_is_its_own() {
        assert_eq!(lookup(("::1", 80)).await.unwrap(), ["[::1]:80".parse::<SocketAddr>().unwrap()]);
        assert!(CACHE.names.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn names_are_those_of_the_system() {
        let local = lookup(("localhost", 80)).await.unwrap();
        assert!(!local.is_empty() && local.iter().all(|address| address.ip().is_loopback()));
        let error = lookup(("no-such-host.invalid", 80)).await.unwrap_err().to_string();
        assert!(error.starts_with("the address of 'no-such-host.invalid' is not known"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_is_asked_for_once_in_five_minutes_and_nobody_waits_for_the_second_answer() {
        let (cache, count, _) = counting!(ASKED, FAILS);
        let both = tokio::join!(cache.lookup("a"), cache.lookup("a"));
        assert_eq!((both.0.unwrap(), both.1.unwrap()), (ip(1), ip(1)));
        tokio::time::advance(FRESH - Duration::from_secs(1)).await;
        assert_eq!(cache.lookup("a").await.unwrap(), ip(1));
        assert_eq!(count.load(Ordering::SeqCst), 1);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(cache.lookup("a").await.unwrap(), ip(1));
        asked(&cache, count, 2).await;
        assert_eq!(cache.lookup("a").await.unwrap(), ip(2));
    }

    #[tokio::test(start_paused = true)]
    async fn while_no_answer_comes_the_old_one_holds_for_an_hour() {
        let (cache, count, fails) = counting!(ASKED, FAILS);
        assert_eq!(cache.lookup("a").await.unwrap(), ip(1));
        fails.store(1, Ordering::SeqCst);
        tokio::time::advance(KEPT - Duration::from_secs(60)).await;
        assert_eq!(cache.lookup("a").await.unwrap(), ip(1));
        asked(&cache, count, 2).await;
        tokio::time::advance(Duration::from_secs(60)).await;
        let error = cache.lookup("a").await.unwrap_err().to_string();
        assert_eq!(error, "the address of 'a' is not known: no name server");
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_not_asked_about_again_for_half_a_minute() {
        let (cache, count, fails) = counting!(ASKED, FAILS);
        fails.store(1, Ordering::SeqCst);
        for _ in 0..3 {
            assert!(cache.lookup("a").await.is_err());
        }
        assert_eq!(count.load(Ordering::SeqCst), 1);
        fails.store(0, Ordering::SeqCst);
        tokio::time::advance(RETRY).await;
        assert_eq!(cache.lookup("a").await.unwrap(), ip(2));
    }

    #[tokio::test(start_paused = true)]
    async fn names_that_nobody_needs_are_forgotten() {
        let (cache, ..) = counting!(ASKED, FAILS);
        cache.lookup("a").await.unwrap();
        tokio::time::advance(KEPT).await;
        cache.lookup("b").await.unwrap();
        assert_eq!(cache.names.lock().unwrap().keys().collect::<Vec<_>>(), ["b"]);
    }
}

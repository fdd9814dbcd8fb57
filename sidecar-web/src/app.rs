//! What all pages share, and the table of routes.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::Request;
use axum::http::{HeaderValue, Method, header};
use axum::middleware::{Next, from_fn, from_fn_with_state, map_response};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};
use jiff::tz::TimeZone;
use site::{Configuration, Definitions, Host, Site};

use crate::access::{Access, login, oidc};
use crate::error::PageError;
use crate::graph::outputs::Outputs;
use crate::host_state::{BriefState, HostState};
use crate::in_flight::{self, InFlight};
use crate::languages;
use crate::live::Live;
use crate::pages::asked_graph::Plans;
use crate::pages::frame::Notice;
use crate::parameters::quoted;
use crate::poller_leases::{self, PollerLeases};
use crate::program_views::ProgramViews;
use crate::recent_counts::RecentCounts;
use crate::redis_away::RedisAway;
use crate::redis_client::RedisClient;
use crate::server::Peer;
use crate::status::{self, Status};
use crate::traffic::{self, Traffic};
use crate::{assets, compression, data_dir, pages};

/// Only our own files may be loaded, and nothing written into a page is ever run.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; img-src 'self'; style-src 'self'; \
    script-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; \
    frame-ancestors 'self'";

/// The plans of graphs that are held take so much memory at most, in bytes.
const HELD_PLANS: usize = 8 << 20;

/// Redis is asked again where its files are after so long: it may have been started anew elsewhere.
const DATA_DIR_HOLDS: Duration = Duration::from_secs(60);

/// The same where something is wrong with the directory, which somebody may be mending just now.
const DATA_DIR_FAULT_HOLDS: Duration = Duration::from_secs(5);

/// What all pages share, for one configuration.
#[derive(Clone)]
pub struct App {
    /// The configuration.
    pub site: Arc<Site>,
    /// What each plugin shows.
    pub definitions: Arc<Definitions>,
    /// What users' view programs show.
    pub programs: Arc<ProgramViews>,
    /// What is wrong with its files, where they have changed since.
    pub fault: Option<String>,
    /// The way to Redis.
    pub redis: Arc<RedisClient>,
    /// Whether pollers fetch.
    pub poller_leases: Arc<PollerLeases>,
    /// The pictures and numbers of graphs.
    pub outputs: Arc<Outputs>,
    /// What graphs that were asked for a moment ago draw.
    pub plans: Arc<Plans>,
    /// How many lines came when the pipeline was looked at before.
    pub lines_seen: Arc<Mutex<Option<(Instant, u64)>>>,
    /// What Redis counted in the last minutes.
    pub recent_counts: Arc<RecentCounts>,
    /// What was asked since the start.
    pub traffic: Arc<Traffic>,
    /// The zone in which times are shown and read.
    pub zone: TimeZone,
    /// What Redis said of each host last, for when it is away; only hosts of the configuration.
    last_known: Arc<Mutex<HashMap<String, Arc<HostState>>>>,
    data_dir: Arc<Mutex<Option<DataDir>>>,
    password: Option<String>,
}

/// The directory of the RRD files, as it was found.
#[derive(Clone)]
struct DataDir {
    since: Instant,
    /// Where Redis says that it writes.
    said: PathBuf,
    /// What is wrong with it.
    fault: Option<String>,
}

/// What is known of a host at the moment.
#[derive(Clone)]
pub struct Known {
    /// What Redis says, or said last; `None` where it never knew the host.
    pub state: Option<Arc<HostState>>,
    /// Set where Redis is away, so that the state may be old.
    pub away: Option<RedisAway>,
}

impl Known {
    /// Why Redis says nothing of these hosts now.
    #[must_use]
    pub fn away(known: &[Self]) -> Option<&RedisAway> {
        known.iter().find_map(|known| known.away.as_ref())
    }
}

impl App {
    /// Puts the parts together; the password is that of Redis.
    ///
    /// # Errors
    /// Where the configuration names no Redis that can be asked.
    pub fn new(
        configuration: Configuration,
        password: Option<String>,
        outputs: Outputs,
        zone: TimeZone,
    ) -> Result<Self, RedisAway> {
        let Configuration { site, definitions } = configuration;
        let redis = RedisClient::new(&site.config().redis, password.as_deref())?;
        Ok(Self {
            site: Arc::new(site),
            definitions: Arc::new(definitions),
            programs: Arc::default(),
            fault: None,
            poller_leases: Arc::new(PollerLeases::new(redis.epoch())),
            outputs: Arc::new(outputs),
            plans: plans(&redis),
            redis: Arc::new(redis),
            traffic: Arc::default(),
            zone,
            lines_seen: Arc::default(),
            recent_counts: Arc::default(),
            last_known: Arc::default(),
            data_dir: Arc::default(),
            password,
        })
    }

    /// The same for another configuration.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with(&self, configuration: Configuration) -> Result<Self, RedisAway> {
        let Configuration { site, definitions } = configuration;
        let mut app = Self { fault: None, ..self.clone() };
        if site.config().redis != self.site.config().redis {
            let redis = RedisClient::new(&site.config().redis, self.password.as_deref())?;
            app.redis = Arc::new(redis);
            app.poller_leases = Arc::new(PollerLeases::new(app.redis.epoch()));
            app.recent_counts = Arc::default();
            app.last_known = Arc::default();
            app.data_dir = Arc::default();
        }
        if site.config().data_dir != self.site.config().data_dir {
            app.data_dir = Arc::default();
        }
        let mut last_known = app.last_known.lock().unwrap_or_else(PoisonError::into_inner);
        last_known.retain(|address, _| site.host(address).is_some());
        drop(last_known);
        app.site = Arc::new(site);
        app.definitions = Arc::new(definitions);
        // What the programs and definitions of before have shown holds no longer.
        app.plans = plans(&app.redis);
        app.programs = Arc::default();
        Ok(app)
    }

    /// What a page tells at its top: what is wrong with the configuration, with Redis, as it is `away`
    /// for this page, with the directory of the files and with the poller.
    pub async fn notices(&self, away: Option<&RedisAway>) -> Vec<Notice> {
        let text = languages::text();
        let fault = self.fault.as_ref().map(|fault| Notice {
            text: text.configuration_of_before,
            detail: format!("{fault}."),
        });
        let away = away.map(|away| Notice { text: text.redis_away, detail: format!("{away}.") });
        let data_dir = match self.looked_at_data_dir().await {
            Ok(found) => found.fault,
            Err(_) => data_dir::fault(self.site.config(), None),
        };
        let data_dir = data_dir.map(|detail| Notice { text: text.data_dir_wrong, detail });
        // Where Redis can't be asked, that is told already.
        let leases = self.poller_leases.look(&self.redis).await.unwrap_or_default();
        let poller = poller_leases::losses(&leases).map(|losses| Notice {
            text: if losses.is_any_held { text.a_poller_away } else { text.poller_away },
            detail: losses.detail,
        });
        fault.into_iter().chain(away).chain(data_dir).chain(poller).collect()
    }

    /// The host of that address.
    ///
    /// # Errors
    /// 404 where the configuration has none.
    pub fn host(&self, address: &str) -> Result<&Arc<Host>, PageError> {
        self.site.host(address).ok_or_else(|| {
            let text = (languages::text().no_such_host)(&quoted(address));
            PageError::not_found(text).translated()
        })
    }

    /// What Redis knows of these hosts, in their order; where it is away, what it said last.
    pub async fn known(&self, hosts: &[&Arc<Host>]) -> Vec<Known> {
        let addresses = addresses(hosts);
        let answer = self.redis.shared_hosts(&addresses).await;
        let mut last_known = self.last_known.lock().unwrap_or_else(PoisonError::into_inner);
        match answer {
            Ok(states) => std::iter::zip(addresses, states.iter())
                .map(|(address, state)| {
                    remember(&mut last_known, address, state.as_ref());
                    Known { state: state.clone(), away: None }
                })
                .collect(),
            Err(away) => addresses
                .into_iter()
                .map(|address| Known {
                    state: last_known.get(address).cloned(),
                    away: Some(away.clone()),
                })
                .collect(),
        }
    }

    /// The same of one host, or what Redis said up to [`crate::held::HOLDS`] ago.
    pub async fn recently_known(&self, host: &Host) -> Known {
        let answer = self.redis.recent_host(&host.address).await;
        let mut last_known = self.last_known.lock().unwrap_or_else(PoisonError::into_inner);
        match answer {
            Ok(state) => {
                remember(&mut last_known, &host.address, state.as_ref());
                Known { state, away: None }
            }
            Err(away) => Known { state: last_known.get(&host.address).cloned(), away: Some(away) },
        }
    }

    /// The status of a host of the configuration.
    pub fn status(&self, host: &Host, known: &Known, now: i64) -> Status {
        match known.away {
            Some(_) => Status::Unknown,
            None => {
                let brief = known.state.as_deref().map(HostState::brief);
                status::of_host(&self.definitions, host, brief.as_ref(), now)
            }
        }
    }

    /// The statuses of these hosts of the configuration, in their order.
    ///
    /// # Errors
    /// Where Redis is away, so that nobody knows.
    pub async fn statuses(&self, hosts: &[&Arc<Host>]) -> Result<Vec<Status>, RedisAway> {
        let states = self.redis.states(&addresses(hosts)).await?;
        let now = Self::now();
        let status = |(host, state): (&&Arc<Host>, &Option<BriefState>)| {
            status::of_host(&self.definitions, host, state.as_ref(), now)
        };
        Ok(std::iter::zip(hosts, &states).map(status).collect())
    }

    /// Where the RRD files are: as configured, else as Redis says, or said last.
    ///
    /// # Errors
    /// Where it is not configured and Redis never said it.
    pub async fn data_dir(&self) -> Result<PathBuf, RedisAway> {
        match &self.site.config().data_dir {
            Some(configured) => Ok(configured.clone()),
            None => self.looked_at_data_dir().await.map(|found| found.said),
        }
    }

    /// Where Redis writes, and whether that is where pages look; what was found last while Redis is
    /// away. The log has a line when a fault comes.
    ///
    /// # Errors
    /// Where Redis never said it.
    async fn looked_at_data_dir(&self) -> Result<DataDir, RedisAway> {
        let remembered = self.lock_data_dir().clone();
        if let Some(found) = &remembered
            && found.since.elapsed()
                < if found.fault.is_some() { DATA_DIR_FAULT_HOLDS } else { DATA_DIR_HOLDS }
        {
            return Ok(found.clone());
        }
        let said = match (self.redis.data_dir().await, remembered) {
            (Ok(said), _) => said,
            (Err(_), Some(found)) => return Ok(found),
            (Err(away), None) => return Err(away),
        };
        let looked = tokio::task::spawn_blocking({
            let (config, said) = (self.site.config().clone(), said.clone());
            move || data_dir::fault(&config, Some(&said))
        });
        let fault = looked.await.unwrap_or_default();
        let found = DataDir { since: Instant::now(), said, fault };
        let before = self.lock_data_dir().replace(found.clone());
        if let Some(fault) = &found.fault
            && before.and_then(|before| before.fault).as_ref() != Some(fault)
        {
            tracing::warn!("{fault}");
        }
        Ok(found)
    }

    fn lock_data_dir(&self) -> std::sync::MutexGuard<'_, Option<DataDir>> {
        self.data_dir.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Seconds since 1970.
    #[must_use]
    pub fn now() -> i64 {
        jiff::Timestamp::now().as_second()
    }
}

/// The addresses of these hosts, in their order.
#[must_use]
pub fn addresses<'a>(hosts: &[&'a Arc<Host>]) -> Vec<&'a str> {
    hosts.iter().map(|host| host.address.as_str()).collect()
}

/// Notes what Redis said of a host, for when it is away: nothing of one that it has forgotten.
fn remember(
    last_known: &mut HashMap<String, Arc<HostState>>,
    address: &str,
    state: Option<&Arc<HostState>>,
) {
    match state {
        Some(state) => last_known.insert(address.to_owned(), Arc::clone(state)),
        None => last_known.remove(address),
    };
}

fn plans(redis: &RedisClient) -> Arc<Plans> {
    Arc::new(Plans::new(redis.epoch(), HELD_PLANS, |ready| ready.bytes()))
}

/// The table of routes. All pages stand side by side at the root, so that relative links reach them
/// below any path of a reverse proxy.
pub fn router(live: Live, access: Arc<Access>) -> Router {
    let traffic = Arc::clone(&live.app().traffic);
    Router::new()
        .route("/", get(pages::list::page))
        .route("/server", get(pages::server::page))
        .route("/servers", get(pages::servers::page))
        .route("/graph", get(pages::graph::page))
        .route("/details", get(pages::details::page))
        .route("/pipeline", get(pages::pipeline::page))
        .route("/forget", get(pages::forget::page).post(pages::forget::delete))
        .route("/rename", get(pages::rename::page).post(pages::rename::rename))
        .route(
            "/api/host-status",
            get(pages::host_status::by_query).post(pages::host_status::by_form),
        )
        .route("/api/notices", get(pages::notices::page))
        .route("/api/service-status", get(pages::service_status::page))
        .route("/api/servers", get(pages::server_list::page))
        .route("/healthz", get(pages::healthz::page))
        .route("/readyz", get(pages::readyz::page))
        .route("/metrics", get(pages::metrics::page))
        .route("/login", get(login::page).post(login::log_in))
        .route("/logout", post(login::log_out))
        .route("/oidc-login", get(oidc::pages::begin))
        .route("/oidc-callback", get(oidc::pages::callback))
        .route("/assets/{version}/{name}", get(assets::asset))
        .fallback(async || PageError::not_found(languages::text().no_such_page).translated())
        .method_not_allowed_fallback(async |method: Method| PageError::method_not_allowed(&method))
        .layer(from_fn_with_state(InFlight::default(), in_flight::bound))
        .layer(from_fn_with_state(Arc::clone(&access), Access::guard))
        .layer(from_fn_with_state(live.clone(), pages::error_page::for_people))
        .layer(from_fn_with_state(Arc::clone(&access), Access::identify))
        .layer(Extension(access))
        .layer(from_fn(languages::speak))
        .layer(compression::gzip())
        .layer(map_response(compression::with_weak_tag))
        .layer(from_fn(with_security_headers))
        .layer(from_fn_with_state(traffic, traffic::count))
        .with_state(live)
}

async fn with_security_headers(request: Request, next: Next) -> Response {
    let has_tls = request.extensions().get::<Peer>().is_some_and(|peer| peer.has_tls);
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if has_tls {
        let a_year = HeaderValue::from_static("max-age=31536000");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, a_year);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_host_that_redis_has_forgotten_nothing_is_known_when_it_is_away() {
        let mut last_known = HashMap::new();
        remember(&mut last_known, "10.0.0.1", Some(&Arc::default()));
        remember(&mut last_known, "10.0.0.2", Some(&Arc::default()));
        remember(&mut last_known, "10.0.0.1", None);
        assert_eq!(last_known.keys().collect::<Vec<_>>(), ["10.0.0.2"]);
    }
}

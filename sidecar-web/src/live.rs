//! The configuration in force: it changes while the web runs, and each request is answered by one.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::extract::FromRef;
use site::{Configuration, Fault, Watcher};
use tokio::signal::unix::Signal;
use tokio::time::MissedTickBehavior;

use crate::app::App;

/// Between two looks at the files.
const LOOK: Duration = Duration::from_secs(2);

/// The [`App`] of the configuration in force.
#[derive(Clone)]
pub struct Live(Arc<RwLock<Arc<App>>>);

impl FromRef<Live> for Arc<App> {
    fn from_ref(live: &Live) -> Self {
        live.app()
    }
}

impl Live {
    /// Begins with this one.
    #[must_use]
    pub fn new(app: App) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(app))))
    }

    /// The one in force.
    #[must_use]
    pub fn app(&self) -> Arc<App> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, app: App) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(app);
    }

    /// Looks at the files every few seconds and takes what has changed; on SIGHUP reads them in any
    /// case. A faulty one leaves the configuration in force, and pages say so.
    pub async fn follow(self, mut watcher: Watcher, mut hangup: Signal) {
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let read: fn(&mut Watcher) -> _ = tokio::select! {
                _ = looks.tick() => |watcher| watcher.look(),
                _ = hangup.recv() => |watcher| Some(watcher.read()),
            };
            // Disks may be slow.
            let looked = tokio::task::spawn_blocking(move || {
                let result = read(&mut watcher);
                (watcher, result)
            });
            let Ok((same, result)) = looked.await else {
                tracing::warn!("the configuration is not followed any more: reading it panicked");
                return;
            };
            watcher = same;
            match result {
                None => {}
                Some(Ok(configuration)) => self.take(configuration),
                Some(Err(fault)) => self.note(&fault),
            }
        }
    }

    fn take(&self, configuration: Configuration) {
        let before = self.app();
        if configuration.site.config().web_worker != before.site.config().web_worker {
            tracing::warn!("config web_worker has changed; that takes effect at the next start");
        }
        for warning in configuration.site.warnings() {
            if !before.site.warnings().contains(warning) {
                tracing::warn!("{warning}");
            }
        }
        match before.with(configuration) {
            Ok(app) => {
                tracing::info!("configuration read anew: {} hosts", app.site.hosts().count());
                self.replace(app);
            }
            Err(error) => tracing::warn!("{error}; the configuration of before holds"),
        }
    }

    fn note(&self, fault: &Fault) {
        let before = self.app();
        let fault = fault.to_string();
        if before.fault.as_ref() != Some(&fault) {
            tracing::warn!("{fault}; the configuration of before holds until that is mended");
            let mut app = App::clone(&before);
            app.fault = Some(fault);
            self.replace(app);
        }
    }
}

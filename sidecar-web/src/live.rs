//! The configuration in force: it changes while the web runs, and each request is answered by one.

use std::sync::{Arc, PoisonError, RwLock};

use axum::extract::FromRef;
use site::{Configuration, Fault, Follower};

use crate::app::App;

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

    /// Takes what has changed in the files. A faulty one leaves the configuration in force, and pages
    /// say so.
    pub async fn follow(self, mut follower: Follower) {
        while let Some(read) = follower.next().await {
            match read {
                Ok(configuration) => self.take(configuration),
                Err(fault) => self.note(&fault),
            }
        }
        tracing::warn!("the configuration is not followed any more: reading it panicked");
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

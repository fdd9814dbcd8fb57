//! `jolokia[:port=8778[:path=/jolokia]]`: what a Java virtual machine says, by the agent Jolokia.

use line_protocol::DataSourceType::{Derive, Gauge};
use serde_json::{Value as Json, json};

use super::declaration::{Arguments, Declaration};
use super::{FetchError, Report, Request};
use crate::http_client::{Page, Server};
use crate::json::{self, Place};
use crate::poll::since_1970;

/// What is read: behind `<path>/read/java.lang:type=`.
const READS: [&str; 6] = [
    "ClassLoading/LoadedClassCount",
    "Threading/ThreadCount,DaemonThreadCount",
    "GarbageCollector,name=*/CollectionCount,CollectionTime",
    "Memory/HeapMemoryUsage,NonHeapMemoryUsage",
    "MemoryPool,name=*/Type,Usage,MemoryManagerNames",
    "Runtime/StartTime,VmVendor,SystemProperties,InputArguments,VmName,VmVendor",
];

/// Where the numbers are in what [`report`] puts together.
const METRICS: [Place; 25] = [
    ("loaded_class", Gauge, "/classes"),
    ("thread_count", Gauge, "/threads/ThreadCount"),
    ("daemon_thread_count", Gauge, "/threads/DaemonThreadCount"),
    ("young_gc_count", Derive, "/young/CollectionCount"),
    ("young_gc_time", Derive, "/young/CollectionTime"),
    ("full_gc_count", Derive, "/full/CollectionCount"),
    ("full_gc_time", Derive, "/full/CollectionTime"),
    ("heap_memory_usage.max", Gauge, "/memory/HeapMemoryUsage/max"),
    ("heap_memory_usage.committed", Gauge, "/memory/HeapMemoryUsage/committed"),
    ("heap_memory_usage.used", Gauge, "/memory/HeapMemoryUsage/used"),
    ("non_heap_memory_usage.max", Gauge, "/memory/NonHeapMemoryUsage/max"),
    ("non_heap_memory_usage.committed", Gauge, "/memory/NonHeapMemoryUsage/committed"),
    ("non_heap_memory_usage.used", Gauge, "/memory/NonHeapMemoryUsage/used"),
    ("memory_pool.eden.max", Gauge, "/eden/Usage/max"),
    ("memory_pool.eden.committed", Gauge, "/eden/Usage/committed"),
    ("memory_pool.eden.used", Gauge, "/eden/Usage/used"),
    ("memory_pool.surv.max", Gauge, "/surv/Usage/max"),
    ("memory_pool.surv.committed", Gauge, "/surv/Usage/committed"),
    ("memory_pool.surv.used", Gauge, "/surv/Usage/used"),
    ("memory_pool.old.max", Gauge, "/old/Usage/max"),
    ("memory_pool.old.committed", Gauge, "/old/Usage/committed"),
    ("memory_pool.old.used", Gauge, "/old/Usage/used"),
    ("memory_pool.perm.max", Gauge, "/perm/Usage/max"),
    ("memory_pool.perm.committed", Gauge, "/perm/Usage/committed"),
    ("memory_pool.perm.used", Gauge, "/perm/Usage/used"),
];

pub(super) const DECLARATION: Declaration =
    Declaration::of(Arguments::PortAndPath(8778, "/jolokia"));

pub(super) async fn fetch(request: Request<'_>) -> Result<Report, FetchError> {
    let given = request.given(DECLARATION.arguments)?;
    let mut server = Server::of(&request, &given).session();
    let path = given.path.trim_end_matches('/');
    let mut values = READS.map(|_| Json::Null);
    let mut refused = Ok(());
    for (value, what) in values.iter_mut().zip(READS) {
        let page = server.get(&format!("{path}/read/java.lang:type={what}")).await?;
        // A machine that lacks one of them has the others still.
        match answered(&page) {
            Ok(answer) => *value = answer,
            Err(error) => refused = refused.and(Err(error)),
        }
    }
    match report(values, since_1970().as_secs()) {
        Some(report) => Ok(report),
        None => Err(refused.err().unwrap_or_else(|| {
            FetchError::Failed(format!("{path} answers without any of the numbers"))
        })),
    }
}

/// The value in an answer of Jolokia, which says of failures in the page: their HTTP status is 200.
pub(super) fn answered(page: &Page) -> Result<Json, FetchError> {
    let mut answer = page.json()?;
    if let Some(error) = answer.get("error").and_then(Json::as_str) {
        return Err(page.failed(error));
    }
    match answer.get_mut("value") {
        Some(value) => Ok(value.take()),
        None => Err(page.unexpected()),
    }
}

/// Makes the report of the values of [`READS`], `now` in seconds since 1970; `None` where they have
/// none of the numbers.
pub(super) fn report(values: [Json; 6], now: u64) -> Option<Report> {
    let [classes, threads, collectors, memory, pools, runtime] = values;
    let one_of = |names: &'static [&str]| bean(&collectors, move |name| names.contains(&name));
    let pool = |ends: &'static [&str]| {
        bean(&pools, move |name| ends.iter().any(|end| name.ends_with(end)))
    };
    let numbers = json!({
        "classes": classes,
        "threads": threads,
        "memory": memory,
        "young": one_of(&["PS Scavenge", "ParNew", "G1 Young Generation"]),
        "full": one_of(&["PS MarkSweep", "ConcurrentMarkSweep", "G1 Old Generation"]),
        "eden": pool(&["Eden Space"]),
        "surv": pool(&["Survivor Space"]),
        "old": pool(&["Tenured Gen", "Old Gen"]),
        "perm": pool(&["Perm Gen"]),
    });
    let mut report = json::report(&numbers, &METRICS)?;

    let collects =
        |start: &'static str| !bean(&collectors, move |name| name.starts_with(start)).is_null();
    let collector = [
        ("MarkSweep", "Serial"),
        ("PS ", "Parallel"),
        ("ConcurrentMarkSweep", "Concurrent Mark & Sweep"),
        ("G1 ", "G1"),
    ]
    .into_iter()
    .find(|(start, _)| collects(start))
    .map_or("-", |(_, called)| called);
    report.meta("gc", collector);
    if let Some(started) = runtime.get("StartTime").and_then(Json::as_u64) {
        report.meta("uptime", &now.saturating_sub(started / 1000).to_string());
    }
    let text = |pointer| runtime.pointer(pointer).and_then(Json::as_str).unwrap_or("Unknown");
    let version = text("/SystemProperties/java.runtime.version");
    report.meta("vm", &format!("{}, {version}, {}", text("/VmName"), text("/VmVendor")));
    if let Some(arguments) = runtime.get("InputArguments").and_then(Json::as_array) {
        let arguments: Vec<&str> = arguments.iter().filter_map(Json::as_str).collect();
        report.meta("args", &arguments.join(" "));
    }
    Some(report)
}

/// The first bean of such a name in an answer for many, whose keys are
/// `java.lang:name=PS Scavenge,type=GarbageCollector`; null where there is none.
fn bean(beans: &Json, is_named: impl Fn(&str) -> bool) -> &Json {
    let matches = |full_name: &str| {
        let properties = full_name.split_once(':').map_or("", |(_, properties)| properties);
        properties.split(',').filter_map(|property| property.strip_prefix("name=")).any(&is_named)
    };
    let bean = beans.as_object().and_then(|beans| beans.iter().find(|(name, _)| matches(name)));
    bean.map_or(&Json::Null, |(_, bean)| bean)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::fetched::{assert_all_is_drawn, fetched, read};
    use crate::test_servers::{page, serve};
    use proptest::prelude::*;

    /// What a JVM of Java 17 with G1 answers.
    fn values() -> [Json; 6] {
        let usage = |max: i64, committed: u64, used: u64| json!({"init": 0, "max": max, "committed": committed, "used": used});
        let pool = |kind: &str, usage: Json| json!({"Type": kind, "Usage": usage, "MemoryManagerNames": ["G1 Young Generation"]});
        [
            json!(11742),
            json!({"ThreadCount": 38, "DaemonThreadCount": 34}),
            json!({
                "java.lang:name=G1 Young Generation,type=GarbageCollector": {"CollectionCount": 51, "CollectionTime": 602},
                "java.lang:name=G1 Old Generation,type=GarbageCollector": {"CollectionCount": 2, "CollectionTime": 190},
            }),
            json!({
                "HeapMemoryUsage": usage(4_194_304_000, 268_435_456, 101_234_567),
                "NonHeapMemoryUsage": usage(-1, 98_765_432, 91_234_567),
            }),
            json!({
                "java.lang:name=G1 Eden Space,type=MemoryPool": pool("HEAP", usage(-1, 150, 100)),
                "java.lang:name=G1 Survivor Space,type=MemoryPool": pool("HEAP", usage(-1, 15, 10)),
                "java.lang:name=G1 Old Gen,type=MemoryPool": pool("HEAP", usage(4_194_304_000, 1500, 1000)),
                "java.lang:name=Metaspace,type=MemoryPool": pool("NON_HEAP", usage(-1, 7, 6)),
            }),
            json!({
                "StartTime": 1_700_000_000_999_u64,
                "VmName": "OpenJDK 64-Bit Server VM",
                "VmVendor": "Debian",
                "SystemProperties": {"java.runtime.version": "17.0.12+7-Debian-2", "user.name": "tomcat"},
                "InputArguments": ["-Xmx4000m", "-Djava.awt.headless=true"],
            }),
        ]
    }

    /// A Jolokia that answers these values, and an error in place of each that is null.
    async fn jolokia(values: [Json; 6]) -> u16 {
        serve(move |head| {
            let path = head.split(' ').nth(1).unwrap_or_default();
            let read = READS.iter().position(|what| {
                path.strip_prefix("/jmx/read/java.lang:type=") == Some(*what)
            });
            let Some(read) = read else {
                return b"HTTP/1.1 404 Not Found\r\n\r\n".to_vec();
            };
            let request = json!({"mbean": "java.lang:type=x", "type": "read"});
            let answer = match &values[read] {
                Json::Null => json!({
                    "request": request, "status": 404, "error_type": "javax.management.InstanceNotFoundException",
                    "error": "javax.management.InstanceNotFoundException : No MBean found",
                }),
                value => json!({"request": request, "value": value, "timestamp": 1_700_000_100, "status": 200}),
            };
            page(&answer.to_string())
        })
        .await
    }

    #[tokio::test]
    async fn values_are_those_of_the_six_answers() {
        let port = jolokia(values()).await;
        let fetched = fetched(&format!("jolokia:{port}:/jmx/")).await.unwrap();
        for (key, value) in [
            ("metrics.loaded_class.gauge", "11742"),
            ("metrics.thread_count.gauge", "38"),
            ("metrics.daemon_thread_count.gauge", "34"),
            ("metrics.young_gc_count.derive", "51"),
            ("metrics.young_gc_time.derive", "602"),
            ("metrics.full_gc_count.derive", "2"),
            ("metrics.full_gc_time.derive", "190"),
            ("metrics.heap_memory_usage.max.gauge", "4194304000"),
            ("metrics.heap_memory_usage.used.gauge", "101234567"),
            ("metrics.non_heap_memory_usage.max.gauge", "-1"),
            ("metrics.non_heap_memory_usage.committed.gauge", "98765432"),
            ("metrics.memory_pool.eden.used.gauge", "100"),
            ("metrics.memory_pool.surv.committed.gauge", "15"),
            ("metrics.memory_pool.old.max.gauge", "4194304000"),
            ("metrics.memory_pool.perm.used.gauge", "U"),
            ("meta.gc", "G1"),
            ("meta.vm", "OpenJDK 64-Bit Server VM, 17.0.12+7-Debian-2, Debian"),
            ("meta.args", "-Xmx4000m -Djava.awt.headless=true"),
        ] {
            assert_eq!(fetched[key], value, "{key}");
        }
        assert_eq!(fetched.len(), METRICS.len() + 4);
        assert_all_is_drawn("jolokia", &fetched);
    }

    #[tokio::test]
    async fn one_answer_that_fails_costs_its_own_numbers_and_all_of_them_the_fetch() {
        let mut some = values();
        some[0] = Json::Null;
        some[5] = Json::Null;
        let port = jolokia(some).await;
        let fetched_some = fetched(&format!("jolokia:{port}:/jmx")).await.unwrap();
        assert_eq!(fetched_some["metrics.loaded_class.gauge"], "U");
        assert_eq!(fetched_some["metrics.thread_count.gauge"], "38");
        assert_eq!(fetched_some["meta.vm"], "Unknown, Unknown, Unknown");

        let port = jolokia(READS.map(|_| Json::Null)).await;
        let error = fetched(&format!("jolokia:{port}:/jmx")).await.unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "port {port}, /jmx/read/java.lang:type=ClassLoading/LoadedClassCount: javax.management.InstanceNotFoundException : No MBean found"
            )
        );
        let error = fetched(&format!("jolokia:{port}")).await.unwrap_err().to_string();
        assert!(error.ends_with(": 404 Not Found"), "{error}");
    }

    #[test]
    fn collectors_and_pools_are_known_by_their_names() {
        for (young, full, called) in [
            ("PS Scavenge", "PS MarkSweep", "Parallel"),
            ("ParNew", "ConcurrentMarkSweep", "Concurrent Mark & Sweep"),
            ("Copy", "MarkSweepCompact", "Serial"),
            ("ZGC Minor Cycles", "ZGC Major Cycles", "-"),
        ] {
            let mut values = values();
            let bean = |name: &str| format!("java.lang:name={name},type=GarbageCollector");
            values[2] = json!({
                bean(young): {"CollectionCount": 7, "CollectionTime": 70},
                bean(full): {"CollectionCount": 8, "CollectionTime": 80},
            });
            values[4] = json!({
                "java.lang:type=MemoryPool,name=CMS Perm Gen": {"Usage": {"max": 3, "committed": 2, "used": 1}},
                "java.lang:type=MemoryPool,name=Tenured Gen": {"Usage": {"used": 4}},
            });
            let report = read(&report(values, 1_700_000_100).unwrap());
            assert_eq!(report["meta.gc"], called);
            let is_known = matches!(called, "Parallel" | "Concurrent Mark & Sweep");
            let counts = if is_known { ["7", "8"] } else { ["U", "U"] };
            assert_eq!(
                [&report["metrics.young_gc_count.derive"], &report["metrics.full_gc_count.derive"]],
                counts
            );
            assert_eq!(report["metrics.memory_pool.perm.max.gauge"], "3");
            assert_eq!(report["metrics.memory_pool.old.used.gauge"], "4");
            assert_eq!(report["metrics.memory_pool.old.max.gauge"], "U");
            assert_eq!(report["meta.uptime"], "100");
        }
    }

    #[test]
    fn json_that_is_no_answer_of_jolokia_is_another_page() {
        for text in ["[]", "{}", "5", "hello"] {
            let page = Page::written(text);
            assert_eq!(answered(&page).unwrap_err(), page.unexpected());
        }
        assert_eq!(report(READS.map(|_| Json::Null), 0), None);
    }

    fn any_json() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<i64>().prop_map(Json::from),
            any::<f64>().prop_map(Json::from),
            "(?s).{0,9}".prop_map(Json::from),
        ];
        let name = prop_oneof![
            "java.lang:name=(PS Scavenge|MarkSweep|.*Eden Space|Old Gen),.{0,3}",
            "Usage|max|used|CollectionCount|HeapMemoryUsage|StartTime|InputArguments|ThreadCount",
        ];
        leaf.prop_recursive(4, 40, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
                prop::collection::hash_map(name.clone(), inner, 0..6)
                    .prop_map(|entries| entries.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn whatever_the_answers_are_the_lines_are_taken(
            values in prop::collection::vec(any_json(), 6),
        ) {
            let values: [Json; 6] = values.try_into().unwrap();
            if let Some(report) = report(values, 1_700_000_000) {
                prop_assert!(read(&report).len() >= METRICS.len());
            }
        }
    }
}

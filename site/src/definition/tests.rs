use super::*;
use crate::graph::{resolve, sources};
use line_protocol::DataSourceType;
use std::collections::BTreeSet;
use std::process::Command;

/// The sample's meta, and a swap device.
fn base_meta() -> Meta {
    [
        ("traffic-interfaces", "eth0,bond0"),
        ("disk-usage-devices", "mapper_VolGroup-lv_root, sdb1"),
        ("disk-usage-mapper_VolGroup-lv_root-mount", "/"),
        ("disk-io-devices", "sda,dm_1"),
        ("disk-swap-devices", "dm_1"),
        ("uptime", "57649"),
        ("version", "Linux version 2.6.32"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// That of a machine that has all which some lack, in a container.
fn linux_meta() -> Meta {
    [
        ("traffic-interfaces", "eth0,bond0"),
        ("traffic-eth0-link", "up, 1000 Mbit/s"),
        ("disk-io-devices", "sda"),
        ("inodes-devices", "mapper_VolGroup-lv_root,sdb1"),
        ("inodes-sdb1-mount", "/srv"),
        ("file-handles-max", "2466170"),
        ("has-cgroup", "memory,cpu,pids"),
        ("has-conntrack", "1"),
        ("has-hugepages", "1"),
        ("has-oom-kills", "1"),
        ("has-pressure", "1"),
        ("has-pressure-irq", "1"),
        ("has-tcp-states", "1"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

fn builtin(name: &str) -> Arc<Definition> {
    Arc::clone(Definitions::load(&[]).unwrap().get(name).unwrap())
}

fn id(text: &str) -> Identifier {
    Identifier::parse(text).unwrap()
}

fn parse(source: &str) -> Result<Definition, String> {
    file::parse(Path::new("x.toml"), source).map_err(|error| error.to_string())
}

fn labels(groups: &[Group]) -> Vec<&str> {
    groups.iter().map(|group| group.label.as_str()).collect()
}

#[test]
fn base_shows_its_groups_in_order_a_loop_for_each_device() {
    let groups = builtin("base").groups(&id("base"), &base_meta());
    assert_eq!(
        labels(&groups),
        [
            "Traffic(eth0)",
            "Traffic(bond0)",
            "CPU Memory",
            "Disk Usage(/)",
            "Disk Usage(sdb1)",
            "Disk IO(sda)",
            "Disk IO(dm_1-swap)",
        ]
    );
    assert_eq!(groups[0].graphs, ["traffic-eth0"]);
    assert_eq!(groups[2].graphs, ["cpu", "loadavg-1", "memory-usage", "tcp-established"]);
    assert_eq!(groups[3].graphs, ["disk-usage-mapper_VolGroup-lv_root"]);
    assert_eq!(groups[6].graphs, ["disk-io-byte-dm_1", "disk-io-count-dm_1"]);
    assert_eq!(
        groups[2].meta,
        [
            ("version".to_owned(), "Linux version 2.6.32".to_owned()),
            ("uptime".to_owned(), "up 0 days, 16:00".to_owned())
        ]
    );
}

#[test]
fn an_empty_list_shows_a_warning_in_place_of_its_loop() {
    let groups = builtin("base").groups(&id("base"), &Meta::new());
    assert_eq!(labels(&groups), ["Traffic", "CPU Memory", "Disk Usage", "Disk IO"]);
    assert_eq!(groups[0].meta, [("warn".to_owned(), "no interfaces".to_owned())]);
    assert_eq!(groups[3].meta, [("warn".to_owned(), "no devices".to_owned())]);
    assert!(groups[0].graphs.is_empty());
}

#[test]
fn memcached_shows_its_port_and_all_meta() {
    let meta: Meta = [("maxconns", "1024"), ("uptime", "86460"), ("version", "1.6.18")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    let groups = builtin("memcached").groups(&id("memcached"), &meta);
    assert_eq!(labels(&groups), ["Memcached (11211)"]);
    let shown: Vec<_> = groups[0].meta.iter().map(|(n, v)| format!("{n} {v}")).collect();
    assert_eq!(shown, ["version 1.6.18", "uptime up 1 days,  0:01", "maxconns 1024"]);
    assert_eq!(groups[0].graphs, ["usage", "items", "evictions", "count", "rate", "conn"]);
    let other = builtin("memcached").groups(&id("memcached:11311"), &meta);
    assert_eq!(labels(&other), ["Memcached (11311)"]);
}

#[test]
fn mysql_shows_groups_by_meta_and_the_port_only_when_given() {
    let groups = |identifier: &str, replication: &str, innodb: &str| {
        let meta: Meta = [
            ("version", "8.4.2"),
            ("uptime", "60"),
            ("innodb", innodb),
            ("innodb_version", "8.4"),
            ("innodb_flush_method", "O_DIRECT"),
            ("replication", replication),
            ("replication_master_host", "db1"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        builtin("mysql").groups(&id(identifier), &meta)
    };
    let all = groups("mysql", "1", "1");
    assert_eq!(labels(&all), ["MySQL", "MySQL replication", "MySQL InnoDB"]);
    let shown = |group: &Group| -> Vec<String> {
        group.meta.iter().map(|(name, value)| format!("{name} {value}")).collect()
    };
    assert_eq!(
        shown(&all[0]),
        ["version 8.4.2", "uptime up 0 days,  0:01", "innodb 1", "replication 1"]
    );
    assert_eq!(shown(&all[1]), ["master_host db1"]);
    assert_eq!(shown(&all[2]), ["version 8.4", "flush_method O_DIRECT"]);
    assert_eq!(
        all.iter().flat_map(|group| &group.graphs).collect::<Vec<_>>(),
        [
            "rate",
            "count",
            "slow",
            "select-type",
            "sort",
            "tmp-obj",
            "thread",
            "replication-second",
            "replication-position",
            "row-ops-rate",
            "row-pos-speed",
            "cache-rate",
            "bp-usage",
            "dirty-rate",
            "page-io",
            "innodb-io",
            "innodb-mutex",
        ]
    );
    assert_eq!(labels(&groups("mysql:3307", "0", "1")), ["MySQL(3307)", "MySQL InnoDB(3307)"]);
    assert_eq!(labels(&groups("mysql:0", "0", "0")), ["MySQL"]);
}

#[test]
fn redis_shows_its_port_and_all_meta() {
    let meta: Meta =
        [("version", "7.0.15"), ("maxmemory", "1073741824"), ("role", "master"), ("uptime", "60")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
    let groups = builtin("redis").groups(&id("redis"), &meta);
    assert_eq!(labels(&groups), ["Redis(6379)"]);
    let shown: Vec<_> = groups[0].meta.iter().map(|(n, v)| format!("{n} {v}")).collect();
    assert_eq!(
        shown,
        ["version 7.0.15", "uptime up 0 days,  0:01", "maxmemory 1.00GB", "role master"]
    );
    assert_eq!(labels(&builtin("redis").groups(&id("redis:6380"), &meta)), ["Redis(6380)"]);
}

#[test]
fn a_device_s_graph_is_found_by_its_name_when_meta_are_gone() {
    let base = builtin("base");
    let plugin = id("base");
    let definition = base.graph(&plugin, "disk-io-count-sda", &Meta::new()).unwrap();
    let keys: Vec<_> =
        sources(&definition, ("h", &plugin)).unwrap().into_iter().map(|s| s.key).collect();
    assert_eq!(keys, ["disk-io-sda-read-ios.derive", "disk-io-sda-write-ios.derive"]);
    for none in ["nothing", "traffic-", "traffic-a b", "traffic-{x}", "traffic-a:b", "cpu2"] {
        assert!(base.graph(&plugin, none, &Meta::new()).is_none(), "{none}");
    }
}

/// The keys of the agent and of the redis fetcher that graphs are drawn from: none that nobody
/// sends, and none forgotten.
#[test]
fn graphs_ask_for_keys_that_are_sent() {
    let fixed = [
        "memory-total.gauge",
        "memory-free.gauge",
        "memory-buffers.gauge",
        "memory-cached.gauge",
        "memory-used.gauge",
        "memory-swap-total.gauge",
        "memory-swap-used.gauge",
        "loadavg-1.gauge",
        "processors.gauge",
        "tcp-established.gauge",
        "cpu-user.derive",
        "cpu-nice.derive",
        "cpu-system.derive",
        "cpu-idle.derive",
        "cpu-iowait.derive",
        "cpu-irq.derive",
        "cpu-softirq.derive",
        "cpu-steal.derive",
        "cpu-guest.derive",
        "cpu-guest-nice.derive",
        "disk-usage-sdb1-used.gauge",
        "disk-usage-sdb1-available.gauge",
        "disk-io-sda-read-ios.derive",
        "disk-io-sda-read-sectors.derive",
        "disk-io-sda-write-ios.derive",
        "disk-io-sda-write-sectors.derive",
        "traffic-eth0-rxbytes.derive",
        "traffic-eth0-txbytes.derive",
        "total_commands_processed.derive",
        "total_connections_received.derive",
        "evicted_keys.derive",
        "connected_clients.gauge",
        "connected_slaves.gauge",
        "used_memory.gauge",
        "changes_since_last_save.gauge",
        "mem_fragmentation_ratio.gauge",
        "pubsub_channels.gauge",
        "keys.gauge",
        "slowlog.gauge",
    ];
    let mut asked = BTreeSet::new();
    for (name, graphs) in [
        (
            "base",
            vec![
                "traffic-eth0",
                "cpu",
                "loadavg-1",
                "memory-usage",
                "tcp-established",
                "disk-usage-sdb1",
                "disk-io-byte-sda",
                "disk-io-count-sda",
            ],
        ),
        (
            "redis",
            vec![
                "cmd",
                "conn",
                "mem",
                "keys",
                "evicted",
                "fragmentation",
                "pubsub_ch",
                "slowlog",
                "unsaved",
            ],
        ),
    ] {
        let plugin = id(name);
        for graph in graphs {
            let definition = builtin(name).graph(&plugin, graph, &Meta::new()).unwrap();
            asked.extend(sources(&definition, ("h", &plugin)).unwrap().into_iter().map(|s| s.key));
        }
    }
    assert_eq!(asked.into_iter().collect::<Vec<_>>(), {
        let mut fixed = fixed.map(str::to_owned).to_vec();
        fixed.sort();
        fixed
    });
}

/// `783.33 m` of a second reads as minutes, and of a request as nothing that anybody says. That is how
/// librrd writes a number below one where it may write a prefix at all.
#[test]
fn what_is_often_below_one_is_written_without_a_prefix() {
    for (plugin, graph, names) in [
        ("kurado", "duration", &["Mean", "Longest"][..]),
        ("kurado", "push-lag", &["Push lag"]),
        ("kurado", "fetches", &["Failed", "Overruns"]),
        ("kurado", "lines", &["Lost"]),
        ("mysql", "replication-second", &["Seconds"]),
        ("mysql", "tmp-obj", &["Tables"]),
        ("mysql", "sort", &["Sort Merge Pass"]),
        ("redis", "cmd", &["Total Command"]),
        ("nginx", "reqs", &["Request"]),
        ("http", "reqs", &["Request"]),
        ("linux", "page-faults", &["From disk"]),
    ] {
        let drawn = builtin(plugin).graph(&id(plugin), graph, &Meta::new()).unwrap().arguments;
        for name in names {
            let what = format!("{plugin}, {graph}, {name}");
            let at = drawn.iter().position(|argument| argument.contains(&format!(":{name}")));
            let behind = drawn.iter().skip(at.unwrap_or_else(|| panic!("{what}: {drawn:#?}")) + 1);
            let number = behind.clone().find(|argument| argument.starts_with("GPRINT:")).unwrap();
            assert!(!number.contains("%s"), "{what}: {number}");
        }
    }
}

#[test]
fn rates_are_limited_multiplied_and_told_from_the_archive_of_peaks() {
    let definition = builtin("base").graph(&id("base"), "disk-io-byte-sda", &Meta::new()).unwrap();
    assert_eq!(definition.vertical_label, "DiskIO");
    assert_eq!(definition.arguments[..2], ["--base", "1024"]);
    for wanted in [
        "DEF:_s0=<%RRD disk-io-sda-read-sectors.derive %>:n:AVERAGE",
        "CDEF:_v0=_s0,0,2000000000,LIMIT,512,*",
        "AREA:_v0#2C9590E0:Read ",
        "AREA:_v1#C97117E0:Write:STACK",
        "DEF:_s2=<%RRD disk-io-sda-read-sectors.derive %>:n:MAX",
    ] {
        assert!(
            definition.arguments.iter().any(|argument| argument == wanted),
            "{wanted} is not in {:#?}",
            definition.arguments
        );
    }
}

#[test]
fn users_definitions_come_first() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (dir.path().join("a"), dir.path().join("b"));
    for (path, label) in [(&first, "first"), (&second, "second")] {
        std::fs::create_dir(path).unwrap();
        for name in ["redis", label] {
            let text = format!("[[group]]\nlabel = '{label}'\ngraphs = []\n");
            std::fs::write(path.join(format!("{name}.toml")), text).unwrap();
        }
    }
    let none = dir.path().join("none");
    let definitions = Definitions::load(&[none, first, second]).unwrap();
    let names: BTreeSet<_> = definitions.iter().map(|(name, _)| name).collect();
    let builtin = BUILTIN.iter().map(|(name, _)| *name);
    assert_eq!(names, builtin.chain(["first", "second"]).collect());
    let groups = definitions.get("redis").unwrap().groups(&id("redis"), &Meta::new());
    assert_eq!(labels(&groups), ["first"]);
}

#[test]
fn the_format_can_say_what_other_plugins_need() {
    // MySQL's groups: suffix only with a port given, groups by meta, names without a prefix.
    let definition = parse(
        r#"
arguments = ["port"]
[format]
uptime = "uptime"
[[group]]
label = [{ text = "MySQL({port})", when = "{port}" }, "MySQL"]
meta = ["*", "!innodb_*", "!replication_*"]
graphs = ["rate"]
[[group]]
label = [{ text = "MySQL InnoDB({port})", when = "{port}" }, "MySQL InnoDB"]
when = "innodb"
meta = ["innodb_*"]
strip = "innodb_"
graphs = ["cache-rate", "extra"]
[[group]]
label = "MySQL replication"
when = "replication"
graphs = []
[graph.rate]
label = "Queries Rate"
data.sum = "com_select.derive,com_insert.derive,+"
draw = [
    { area = "com_select.derive,sum,/,100,*", name = "Select" },
    { stack = "com_insert.derive,sum,/,100,*", name = "Insert" },
]
[graph.cache-rate]
label = "Buffer pool hit rate"
draw = [
    { area = "innodb_buffer_pool_hit_rate.gauge", name = "Hit Rate" },
    { line = "100", color = "grey" },
]
[graph.extra]
label = "Extra of {meta.version}"
when = "!innodb"
draw = [{ line = "x.gauge", name = "a:b {meta.version}" }]
"#,
    )
    .unwrap();
    let meta: Meta =
        [("innodb", "1"), ("innodb_version", "8"), ("replication", "0"), ("version", "8:0")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
    let groups = definition.groups(&id("mysql"), &meta);
    assert_eq!(labels(&groups), ["MySQL", "MySQL InnoDB"]);
    assert_eq!(groups[1].meta, [("version".to_owned(), "8".to_owned())]);
    assert_eq!(groups[1].graphs, ["cache-rate"]);
    let groups = definition.groups(&id("mysql:3307"), &meta);
    assert_eq!(labels(&groups), ["MySQL(3307)", "MySQL InnoDB(3307)"]);
    let extra = definition.graph(&id("mysql"), "extra", &meta).unwrap();
    assert_eq!(extra.vertical_label, "Extra of 8:0");
    assert!(extra.arguments.iter().any(|a| a.ends_with(r":a\:b 8\:0")), "{extra:?}");
}

#[test]
fn a_fault_names_file_line_and_what_is_allowed() {
    let fault = |source: &str| parse(source).unwrap_err();
    let graph = |rest: &str| format!("[graph.a]\nlabel = 'A'\n{rest}");
    assert_eq!(
        fault("[[group]]\nlabel = 'x'\ngraphs = [\n 'cpu',\n]\n"),
        "x.toml:4: there is no [graph.\"cpu\"]"
    );
    assert_eq!(
        fault(&graph("draw = [\n { aera = 'x.gauge' },\n]")),
        "x.toml:4: unknown field `aera`, expected one of `area`, `stack`, `line`, `text`, `name`, `color`, `width`, `dashes`, `limit`, `times`, `unit`, `numbers`"
    );
    assert_eq!(
        fault(&graph("draw = [\n { area = 'x' },\n]")),
        "x.toml:4: 'x': 'x' is no key (it would end in .gauge, .counter, .derive or .absolute), no name in data, no number and no operator of rrdgraph"
    );
    assert_eq!(
        fault(&graph("draw = [{ area = 'x.gauge', line = 'x.gauge' }]")),
        "x.toml:3: an element of 'draw' must have just one of area, stack, line, text"
    );
    assert_eq!(
        fault(&graph("unit = 'megs'\ndraw = []")),
        "x.toml:3: unknown variant `megs`, expected one of `count`, `plain`, `percent`, `bytes`, `bytes/s`, `bits/s`"
    );
    assert_eq!(
        fault(&graph("draw = [{ area = 'x.gauge', color = 'mauve' }]")),
        "x.toml:3: color 'mauve' must be #rrggbb, #rrggbbaa or one of blue, orange, green, purple, teal, red, amber, pink, brown, grey"
    );
    assert_eq!(
        fault(&graph("data.a = 'b,1,+'\ndata.b = 'a,1,+'\ndraw = []")),
        "x.toml:1: data uses itself in a circle: a, b"
    );
    assert!(fault(&graph("columns = []\ndraw = []")).starts_with("x.toml:1: columns must"));
    assert!(fault(&graph("range = [5, 1]\ndraw = []")).starts_with("x.toml:1: range is [5, 1]"));
    assert!(fault(&graph("draw = [{ stack = 'x.gauge' }]")).starts_with("x.toml:3: the first of"));
    assert!(fault(&graph("data.Sum = '1'\ndraw = []")).starts_with("x.toml:3: 'Sum' in data"));
    assert!(
        fault(&graph("data.m = 'x.gauge,LAST'\ndraw = [{ line = 'm' }]")).contains("one number")
    );
    assert!(fault("arguments = ['Port=1']").starts_with("x.toml:1: argument 'Port=1'"));
    assert!(fault("[[group]]\nlabel = 5\ngraphs = []").contains("label must be a text"));
    assert!(
        fault("[[group]]\nlabel = 'x'\neach = 'a b'\ngraphs = []").starts_with("x.toml:1: each")
    );
    assert!(
        fault("[[group]]\nlabel = 'x {y}'\ngraphs = []").contains("{y}, which nothing fills in")
    );
    assert!(
        fault("[graph.'a-{x}']\nlabel = 'A'\ndraw = []").contains("{x}, which nothing fills in")
    );
    assert!(fault("[format]\na = 'days'").starts_with("x.toml:2: unknown variant `days`"));
    assert!(fault("[[group").starts_with("x.toml:1: "));
}

const NOW: i64 = 1_700_000_040;

fn rrdtool(arguments: &[String]) {
    let output = Command::new("rrdtool").args(arguments).env("LC_ALL", "C").output().unwrap();
    assert!(
        output.status.success(),
        "rrdtool {arguments:#?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Makes a file as Kurado stores it, with two hours of points.
fn store(path: &Path, key: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let file = path.to_str().unwrap().to_owned();
    let kind = DataSourceType::of_key(key).unwrap();
    let mut create = vec![
        "create".to_owned(),
        file.clone(),
        "--start".to_owned(),
        (NOW - 7210).to_string(),
        "--step".to_owned(),
        "60".to_owned(),
        format!("DS:n:{}:120:U:U", kind.rrd_name()),
    ];
    for function in ["AVERAGE", "MIN", "MAX"] {
        for (steps, rows) in [(1, 2880), (5, 2880), (60, 960), (1440, 1100)] {
            create.push(format!("RRA:{function}:0.5:{steps}:{rows}"));
        }
    }
    rrdtool(&create);
    let points = (0..120).map(|n: i64| {
        let value = 1_000_000 + n * n * 7 + 900 * n;
        format!("{}:{value}", NOW - 7200 + n * 60)
    });
    let mut update = vec!["update".to_owned(), file];
    update.extend(points);
    rrdtool(&update);
}

/// Draws all graphs of a plugin with the real rrdtool, as the web would: at several widths and
/// periods, for a host whose address has colons.
fn draw_all(definition: &Definition, plugin: &str, meta: &Meta) {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("da:ta");
    let plugin = id(plugin);
    let own = ("2001:db8::1", &plugin);
    let graphs = definition.groups(&plugin, meta).into_iter().flat_map(|group| group.graphs);
    for name in graphs {
        let graph = definition.graph(&plugin, &name, meta).unwrap();
        for source in sources(&graph, own).unwrap() {
            let path = source.path(&data);
            if !path.exists() {
                store(&path, &source.key);
            }
        }
        for (period, width) in [(4200, 1100), (33 * 3600, 500), (400 * 86400, 400)] {
            let png = dir.path().join("graph.png");
            let mut arguments = vec![
                "graph".to_owned(),
                png.to_str().unwrap().to_owned(),
                "--start".to_owned(),
                (NOW - period).to_string(),
                "--end".to_owned(),
                NOW.to_string(),
                "--width".to_owned(),
                width.to_string(),
                "--height".to_owned(),
                "100".to_owned(),
                "--lower-limit".to_owned(),
                "0".to_owned(),
                "--upper-limit".to_owned(),
                "2".to_owned(),
                "--vertical-label".to_owned(),
                graph.vertical_label.clone(),
            ];
            arguments.extend(resolve(&graph, own, &data).unwrap());
            rrdtool(&arguments);
            let written = std::fs::read(&png).unwrap();
            assert!(written.starts_with(b"\x89PNG") && written.len() > 3000, "{name}");
            std::fs::remove_file(&png).unwrap();
        }
    }
}

/// Meta with which a built-in plugin shows all that it can.
fn all_meta(name: &str) -> Meta {
    let conditions: &[&str] = match name {
        "base" => return base_meta(),
        "linux" => return linux_meta(),
        "http" => &["has-reqs"],
        "mysql" => &["innodb", "replication"],
        _ => &[],
    };
    conditions.iter().map(|name| ((*name).to_owned(), "1".to_owned())).collect()
}

#[test]
fn each_graph_of_each_builtin_definition_is_in_a_group() {
    for (name, definition) in Definitions::load(&[]).unwrap().iter() {
        let groups = definition.groups(&id(name), &all_meta(name));
        let shown: Vec<&String> = groups.iter().flat_map(|group| &group.graphs).collect();
        assert_eq!(shown.len(), shown.iter().collect::<BTreeSet<_>>().len(), "{name}: {shown:?}");
        for graph in &definition.graphs {
            let is_it = |shown: &str| std::ptr::eq(definition.find(shown).unwrap().0, graph);
            assert!(shown.iter().any(|shown| is_it(shown)), "{name}: {:?}", graph.name);
        }
    }
}

#[test]
fn rrdtool_draws_every_graph_of_each_builtin_definition() {
    for (name, definition) in Definitions::load(&[]).unwrap().iter() {
        draw_all(definition, name, &all_meta(name));
    }
}

#[test]
fn linux_shows_only_what_a_machine_has() {
    let linux = builtin("linux");
    let shown = |meta: &Meta| -> Vec<(String, Vec<String>)> {
        let groups = linux.groups(&id("linux"), meta);
        groups.into_iter().map(|group| (group.label, group.graphs)).collect()
    };
    let all = shown(&linux_meta());
    assert_eq!(all[0].0, "Container");
    assert!(all.iter().any(|(label, graphs)| {
        label == "Interface(eth0: up, 1000 Mbit/s)" && *graphs == ["packets-eth0", "errors-eth0"]
    }));
    assert!(all.iter().any(|(label, _)| label == "Inodes(/srv)"));
    let mut meta = linux_meta();
    meta.retain(|name, _| !name.starts_with("has-"));
    let old: Vec<String> = shown(&meta).into_iter().flat_map(|(_, graphs)| graphs).collect();
    for lacking in ["pressure", "pressure-irq", "oom-kills", "conntrack", "cgroup-memory"] {
        assert!(!old.iter().any(|graph| graph == lacking), "{lacking}");
    }
    assert!(old.iter().any(|graph| graph == "load-per-core"));
}

#[test]
fn labels_show_the_port_that_is_asked_for() {
    for (identifier, wanted) in [
        ("http", vec!["HTTP (80)"]),
        ("http:8080:/status?auto:www.example.com", vec!["HTTP (8080)"]),
        ("nginx::/status", vec!["Nginx (80)"]),
        ("opcache", vec!["Opcache (82)"]),
        ("squid:0", vec!["Squid (3128)"]),
        ("gaurun", vec!["Gaurun (1056)"]),
        ("goapp", vec!["GoApp (1056)"]),
        ("jolokia", vec!["Jolokia (8778)", "Jolokia (8778) Memory", "Jolokia (8778) Memory Pool"]),
    ] {
        let plugin = id(identifier);
        let groups = builtin(plugin.name()).groups(&plugin, &Meta::new());
        assert_eq!(labels(&groups), wanted, "{identifier}");
    }
}

#[test]
fn http_draws_requests_only_where_the_server_counts_them() {
    let meta = |names: &[&str]| -> Meta {
        names.iter().map(|name| ((*name).to_owned(), "1".to_owned())).collect()
    };
    let groups = builtin("http").groups(&id("http"), &meta(&["has-reqs", "server", "uptime"]));
    assert_eq!(groups[0].graphs, ["worker", "reqs"]);
    let shown: Vec<&str> = groups[0].meta.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(shown, ["uptime", "server"]);
    let groups = builtin("http").groups(&id("http"), &meta(&["server"]));
    assert_eq!(groups[0].graphs, ["worker"]);
}

#[test]
fn rrdtool_draws_what_a_mapping_shows_without_a_definition() {
    let draws = ["line", "area", "stack"].map(|draw| {
        serde_json::json!({"metric": "a:b", "key": format!("{draw}-{{x}}"), "label": "50 % \\l: {x}", "draw": draw, "unit": "bytes/s"})
    });
    let config = serde_json::json!({"prometheus": {"9100": draws}});
    let keys = |draw: &str| (format!("keys-{draw}-x"), format!("{draw}-1.derive,{draw}-2.gauge"));
    let meta: Meta = ["line", "area", "stack"].map(keys).into();
    let plugin = id("prometheus");
    let config = config.as_object().unwrap();
    let definition = prometheus::definition(config, &plugin, &meta).unwrap();
    assert_eq!(definition.groups(&plugin, &meta)[0].graphs.len(), 3);
    draw_all(&definition, "prometheus", &meta);
}

#[test]
fn rrdtool_draws_whatever_the_format_allows() {
    let definition = parse(
        r##"
[[group]]
label = "all"
graphs = ["a"]
[graph.a]
label = "Everything: 100 %"
unit = "plain"
columns = ["now", "min", "avg", "max"]
data.peak = "x.gauge,95,PERCENT"
data.double = "x.gauge,2,*"
draw = [
    { text = "x.gauge", name = 'Text: 5 % \l', unit = "bytes/s" },
    { area = "double", name = "Ärea" },
    { area = "x.gauge", color = "#11223344" },
    { stack = "y.counter", name = "Stack", times = 0.001, limit = [-1e-9, 1e30] },
    { stack = "y.counter" },
    { line = "z.absolute", width = 0.5, dashes = true },
    { line = "z.absolute,peak,+", width = 2.5, name = "Line", unit = "count" },
    { line = "100", name = "Hundred" },
    { line = "-5.5" },
    { area = "<%RRD_EXTEND other:80 10.0.0.1 x.gauge %>,2,/", name = "Other", unit = "bits/s" },
]
rrdgraph = ["HRULE:50#D95B5B", 'COMMENT:a\: b\l']
"##,
    )
    .unwrap();
    draw_all(&definition, "x", &Meta::new());
}

#[test]
fn a_program_shows_its_plugin_in_place_of_any_definition_and_one_that_fetches_makes_it_a_pull() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    for program in ["view/redis.pl", "view/shop", "fetch/queue.py", "view/pulled", "fetch/pulled"] {
        let path = dir.path().join(program);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    std::fs::write(dir.path().join("queue.toml"), "push = true\n").unwrap();
    let definitions = Definitions::load(&[dir.path().to_owned()]).unwrap();
    let shown_by = |name: &str| match definitions.view(name) {
        Some(View::Program(program)) => program.path().strip_prefix(dir.path()).unwrap().to_str(),
        Some(View::Data(Data::Definition(_))) => Some("definition"),
        Some(View::Data(Data::Mapping)) => Some("mapping"),
        None => None,
    };
    assert_eq!(shown_by("redis"), Some("view/redis.pl"));
    assert_eq!(shown_by("shop"), Some("view/shop"));
    assert_eq!(shown_by("queue"), Some("definition"));
    assert_eq!(shown_by("base"), Some("definition"));
    assert_eq!(shown_by("prometheus"), Some("mapping"));
    assert_eq!(shown_by("nobody"), None);
    for (name, is_pushed) in [
        ("base", true),
        ("redis", false),
        ("shop", true),
        ("queue", false),
        ("pulled", false),
        ("nobody", false),
    ] {
        assert_eq!(definitions.is_pushed(name), is_pushed, "{name}");
    }
}

//! What Redis knows of hosts: the replies of `KURADO.HOST`, `KURADO.STATES`, `KURADO.HOSTS` and
//! `KURADO.SERIES`, read.

use std::collections::BTreeMap;

use redis::Value;

/// What Redis knows of one host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostState {
    /// By escaped plugin identifier.
    pub plugins: BTreeMap<String, PluginState>,
}

/// What Redis knows of one plugin of a host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PluginState {
    /// When something came last, in seconds since 1970.
    pub last_received: Option<i64>,
    /// Information without history.
    pub meta: BTreeMap<String, String>,
    /// Live warnings by key.
    pub warnings: BTreeMap<String, Warning>,
}

/// What Redis knows of one host as far as its status stands on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BriefState {
    /// By escaped plugin identifier.
    pub plugins: BTreeMap<String, BriefPlugin>,
}

/// The same of one plugin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BriefPlugin {
    /// When something came last, in seconds since 1970.
    pub last_received: Option<i64>,
    /// Whether a warning is live.
    pub has_warnings: bool,
}

/// A live warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// When it came, in seconds since 1970.
    pub time: i64,
    /// What it says.
    pub text: String,
}

impl HostState {
    /// What it takes in memory, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.plugins.iter().map(|(name, plugin)| name.len() + plugin.bytes()).sum()
    }

    /// What its status stands on.
    #[must_use]
    pub fn brief(&self) -> BriefState {
        let brief = |(name, plugin): (&String, &PluginState)| {
            let has_warnings = !plugin.warnings.is_empty();
            (name.clone(), BriefPlugin { last_received: plugin.last_received, has_warnings })
        };
        BriefState { plugins: self.plugins.iter().map(brief).collect() }
    }

    /// Reads a reply of `KURADO.HOST`; `None` where Redis does not know the host.
    ///
    /// # Errors
    /// Where the reply has another shape.
    pub fn read(reply: Value) -> Result<Option<Self>, String> {
        if reply == Value::Nil {
            return Ok(None);
        }
        let mut state = Self::default();
        for (name, value) in entries(reply, "KURADO.HOST")? {
            if name == "plugins" {
                for (plugin, value) in entries(value, "plugins")? {
                    let read = PluginState::read(value)
                        .map_err(|fault| format!("plugin {plugin}: {fault}"))?;
                    state.plugins.insert(plugin, read);
                }
            }
        }
        Ok(Some(state))
    }
}

/// Reads a reply of `KURADO.STATES`: a state for each address; `None` where Redis does not know the
/// host.
///
/// # Errors
/// Where the reply has another shape.
pub fn read_states(reply: Value) -> Result<Vec<Option<BriefState>>, String> {
    let Value::Array(hosts) = reply else {
        return Err(format!("KURADO.STATES is {reply:?}, not a list"));
    };
    hosts.into_iter().map(BriefState::read).collect()
}

impl BriefState {
    fn read(host: Value) -> Result<Option<Self>, String> {
        let parts = match host {
            Value::Nil => return Ok(None),
            Value::Array(parts) => parts,
            other => return Err(format!("the state of a host is {other:?}, not a list")),
        };
        let mut state = Self::default();
        let mut parts = parts.into_iter();
        while let Some(plugin) = parts.next() {
            let (Some(last), Some(warnings)) = (parts.next(), parts.next()) else {
                return Err("the state of a host is not three parts a plugin".to_owned());
            };
            let brief = BriefPlugin {
                // Zero stands for never.
                last_received: Some(integer(&last)?).filter(|time| *time > 0),
                has_warnings: integer(&warnings)? > 0,
            };
            state.plugins.insert(text(&plugin)?, brief);
        }
        Ok(Some(state))
    }
}

/// Reads a reply of `KURADO.HOSTS`: addresses, and when each was last received.
///
/// # Errors
/// Where the reply has another shape.
pub fn read_hosts(reply: Value) -> Result<BTreeMap<String, i64>, String> {
    let hosts = entries(reply, "KURADO.HOSTS")?.into_iter();
    hosts.map(|(address, time)| Ok((address, integer(&time)?))).collect()
}

/// Reads a reply of `KURADO.SERIES`: last values by key; those that are unknown are left out.
///
/// # Errors
/// Where the reply has another shape.
pub fn read_last_values(reply: Value) -> Result<BTreeMap<String, f64>, String> {
    let Value::Array(series) = reply else {
        return Err(format!("KURADO.SERIES is {reply:?}, not a list"));
    };
    let mut values = BTreeMap::new();
    for one in series {
        let Value::Array(parts) = &one else {
            return Err(format!("a series is {one:?}, not a list"));
        };
        let [_plugin, key, _type, value, _time] = parts.as_slice() else {
            return Err(format!("a series has {} parts, not 5", parts.len()));
        };
        let value = match value {
            Value::Double(value) => Some(*value),
            Value::Nil => None,
            other => text(other)?.parse().ok(),
        };
        values.extend(value.map(|value| text(key).map(|key| (key, value))).transpose()?);
    }
    Ok(values)
}

impl PluginState {
    /// What it takes in memory, in bytes: its texts, and some 64 for keeping each.
    fn bytes(&self) -> usize {
        let meta = self.meta.iter().map(|(key, value)| key.len() + value.len() + 64);
        let warnings = self.warnings.iter().map(|(key, one)| key.len() + one.text.len() + 64);
        64 + meta.sum::<usize>() + warnings.sum::<usize>()
    }

    fn read(value: Value) -> Result<Self, String> {
        let mut state = Self::default();
        for (name, value) in entries(value, "a plugin")? {
            match name.as_str() {
                // Zero stands for never.
                "last-received" => {
                    state.last_received = Some(integer(&value)?).filter(|time| *time > 0);
                }
                "meta" => {
                    for (key, value) in entries(value, "meta")? {
                        state.meta.insert(key, text(&value)?);
                    }
                }
                "warnings" => {
                    for (key, value) in entries(value, "warnings")? {
                        state.warnings.insert(key, Warning::read(value)?);
                    }
                }
                _ => {}
            }
        }
        Ok(state)
    }
}

impl Warning {
    fn read(value: Value) -> Result<Self, String> {
        match value {
            Value::Array(items) => match items.as_slice() {
                [time, says] => Ok(Self { time: integer(time)?, text: text(says)? }),
                other => Err(format!("a warning has {} parts, not 2", other.len())),
            },
            other => Err(format!("a warning is {other:?}, not time and text")),
        }
    }
}

/// The entries of a map, which RESP2 sends as a flat array.
fn entries(value: Value, what: &str) -> Result<Vec<(String, Value)>, String> {
    let pairs = value.into_map_iter().map_err(|other| format!("{what} is {other:?}, not a map"))?;
    pairs.map(|(name, value)| Ok((text(&name)?, value))).collect()
}

fn text(value: &Value) -> Result<String, String> {
    match value {
        Value::BulkString(bytes) => Ok(String::from_utf8_lossy(bytes).into_owned()),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Ok(text.clone()),
        Value::Int(number) => Ok(number.to_string()),
        other => Err(format!("{other:?} is no text")),
    }
}

fn integer(value: &Value) -> Result<i64, String> {
    match value {
        Value::Int(number) => Ok(*number),
        Value::Nil => Ok(0),
        other => text(other)?.parse().map_err(|_| format!("{other:?} is no whole number")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    fn plugin(flat: bool) -> Value {
        let warning = Value::Array(vec![Value::Int(1_404_873_350), bulk("disk is slow")]);
        map(
            flat,
            vec![
                (bulk("last-received"), Value::Int(1_404_873_360)),
                (bulk("series"), Value::Int(40)),
                (bulk("pending"), Value::Int(3)),
                (bulk("meta"), map(flat, vec![(bulk("uptime"), bulk("57649"))])),
                (bulk("warnings"), map(flat, vec![(bulk("disk_io"), warning)])),
            ],
        )
    }

    fn map(flat: bool, entries: Vec<(Value, Value)>) -> Value {
        if flat {
            Value::Array(entries.into_iter().flat_map(|(k, v)| [k, v]).collect())
        } else {
            Value::Map(entries)
        }
    }

    #[test]
    fn hosts_and_last_values_are_read_and_what_is_unknown_is_left_out() {
        let hosts = map(true, vec![(bulk("::1"), Value::Int(7)), (bulk("b"), Value::Nil)]);
        assert_eq!(read_hosts(hosts).unwrap(), [("::1".into(), 7), ("b".into(), 0)].into());
        let series = |key: &str, value| {
            let parts = vec![bulk("kurado"), bulk(key), bulk("gauge"), value, Value::Int(60)];
            Value::Array(parts)
        };
        let reply = Value::Array(vec![
            series("a.gauge", bulk("1.5")),
            series("b.gauge", Value::Nil),
            series("c.gauge", bulk("U")),
            series("d.gauge", Value::Double(2.0)),
        ]);
        let values = read_last_values(reply).unwrap();
        assert_eq!(values, [("a.gauge".into(), 1.5), ("d.gauge".into(), 2.0)].into());
        assert!(read_last_values(Value::Array(vec![Value::Int(1)])).is_err());
        assert!(read_hosts(Value::Int(1)).is_err());
    }

    #[test]
    fn the_reply_reads_the_same_in_both_versions_of_the_protocol() {
        for flat in [true, false] {
            let reply = map(
                flat,
                vec![
                    (bulk("address"), bulk("10.0.0.1")),
                    (bulk("last-received"), Value::Int(1_404_873_360)),
                    (bulk("plugins"), map(flat, vec![(bulk("http%3A80"), plugin(flat))])),
                ],
            );
            let state = HostState::read(reply).unwrap().unwrap();
            let plugin = &state.plugins["http%3A80"];
            assert_eq!(plugin.last_received, Some(1_404_873_360));
            assert_eq!(plugin.meta["uptime"], "57649");
            assert_eq!(
                plugin.warnings["disk_io"],
                Warning { time: 1_404_873_350, text: "disk is slow".into() }
            );
        }
    }

    #[test]
    fn states_are_read_as_those_of_whole_hosts_are_told_in_brief() {
        let never = map(true, vec![(bulk("last-received"), Value::Int(0))]);
        let plugins = map(true, vec![(bulk("base"), never), (bulk("http%3A80"), plugin(true))]);
        let whole = HostState::read(map(true, vec![(bulk("plugins"), plugins)])).unwrap().unwrap();
        let host = vec![
            (bulk("base"), Value::Int(0), Value::Int(0)),
            (bulk("http%3A80"), Value::Int(1_404_873_360), Value::Int(1)),
        ];
        let host = host.into_iter().flat_map(|(name, last, warnings)| [name, last, warnings]);
        let reply = Value::Array(vec![Value::Nil, Value::Array(host.collect())]);
        assert_eq!(read_states(reply), Ok(vec![None, Some(whole.brief())]));
        for odd in [
            Value::Int(1),
            Value::Array(vec![Value::Int(1)]),
            Value::Array(vec![Value::Array(vec![bulk("base"), Value::Int(0)])]),
        ] {
            assert!(read_states(odd.clone()).is_err(), "{odd:?}");
        }
    }

    #[test]
    fn an_unknown_host_is_none_and_another_shape_a_fault() {
        assert_eq!(HostState::read(Value::Nil), Ok(None));
        assert!(HostState::read(Value::Int(1)).is_err());
        let odd = Value::Array(vec![bulk("plugins"), Value::Int(1)]);
        assert!(HostState::read(odd).unwrap_err().contains("plugins"));
    }

    #[test]
    fn a_plugin_that_never_sent_has_no_last_time() {
        let value = Value::Array(vec![bulk("last-received"), Value::Int(0)]);
        assert_eq!(PluginState::read(value).unwrap().last_received, None);
    }
}

//! Plans what comes when: sets of tunes by the hour.
//!
//! In: sets of tunes as a file names them, and the time of day. Out: what the next tune is to be like. Pure.
//!
//! Sets follow each other in the order of the file, those whose hours it is not left out, and begin again at the first.

use crate::wishes::{SettingError, SettingsPatch, TempoScale, Value, ValueError, whole};

/// Tunes of a set where the plan does not say.
const TUNES_USUAL: u32 = 3;
/// Tunes of a set at the most.
const TUNES_MAX: u32 = 100;
/// Sets of a plan at the most.
pub const SETS_MAX: usize = 1000;
const DAY_MINUTES: u16 = 24 * 60;

/// Sets in order; none for whatever comes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// The sets.
    pub sets: Vec<PlannedSet>,
}

/// Tunes that belong together.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedSet {
    /// What it is called.
    pub name: String,
    /// How many tunes.
    pub tunes: u32,
    /// From this minute of the day.
    pub from: u16,
    /// Until before this one; earlier than `from` is after midnight, the same is all day.
    pub to: u16,
    /// Keys, one a tune, over and over; none for any.
    pub keys: Vec<String>,
    /// How much faster than the settings say.
    pub tempo: TempoScale,
    /// Which settings are others while it lasts: dance, temperature, style, times.
    pub patch: SettingsPatch,
}

/// What the next tune is to be like.
#[derive(Clone, Debug, PartialEq)]
pub struct NextTune {
    /// The set's name; `None` where the plan has no set for the hour.
    pub set: Option<String>,
    /// How many tunes of the set come before it.
    pub index: u32,
    /// How many the set has.
    pub count: u32,
    /// What is other than the settings.
    pub patch: SettingsPatch,
    /// How much faster than the settings say.
    pub tempo: TempoScale,
}

impl PlannedSet {
    /// The keys that a set has in a file.
    pub const KEYS: &[&str] = &[
        "name",
        "tunes",
        "from",
        "to",
        "key",
        "keys",
        "tempo",
        "dance",
        "temperature",
        "style",
        "times",
    ];

    /// Three tunes of any kind, all day.
    pub fn new(number: usize) -> Self {
        Self {
            name: format!("Set {number}"),
            tunes: TUNES_USUAL,
            from: 0,
            to: 0,
            keys: Vec::new(),
            tempo: TempoScale::usual(1.0),
            patch: SettingsPatch::default(),
        }
    }

    /// Takes one of [`PlannedSet::KEYS`] from a file.
    ///
    /// # Errors
    /// What was found and what is allowed.
    pub fn assign(&mut self, key: &str, values: &[String]) -> Result<(), ValueError> {
        let [value, ..] = values else {
            return Err(ValueError::Nothing);
        };
        if values.len() > 1 && key != "keys" {
            return Err(ValueError::List);
        }
        match key {
            "name" => self.name = value.clone(),
            "tunes" => self.tunes = whole(value, &(1..=TUNES_MAX))?,
            "from" => self.from = time_of_day(value)?,
            "to" => self.to = time_of_day(value)? % DAY_MINUTES,
            "tempo" => self.tempo = TempoScale::read(value)?,
            "key" | "keys" => {
                for key in values {
                    set(&mut SettingsPatch::default(), "key", key)?;
                }
                self.keys = values.to_vec();
            }
            setting => set(&mut self.patch, setting, value)?,
        }
        Ok(())
    }

    fn is_at(&self, minute_of_day: u16) -> bool {
        if self.from == self.to {
            true
        } else if self.from < self.to {
            (self.from..self.to).contains(&minute_of_day)
        } else {
            minute_of_day >= self.from || minute_of_day < self.to
        }
    }
}

/// A row of a set is always known, so that what is wrong is its value.
fn set(patch: &mut SettingsPatch, name: &str, value: &str) -> Result<(), ValueError> {
    match patch.set(name, value) {
        Err(SettingError::Value { reason, .. }) => Err(reason),
        _ => Ok(()),
    }
}

/// `18:30`, in minutes.
fn time_of_day(text: &str) -> Result<u16, ValueError> {
    let read = || {
        let (hours, minutes) = text.trim().split_once(':')?;
        let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
        let is_time = minutes < 60 && hours * 60 + minutes <= DAY_MINUTES && hours <= 24;
        is_time.then_some(hours * 60 + minutes)
    };
    read().ok_or_else(|| ValueError::no_such_thing(text, "time of day", "18:30"))
}

/// Where a plan has got to.
#[derive(Clone, Debug, Default)]
pub struct Planner {
    plan: Plan,
    /// The set that is being asked for (`None`: one that is not in the plan), and how many tunes of it were.
    place: Option<(Option<usize>, u32)>,
    /// The set of the plan that was last.
    last: Option<usize>,
}

impl Planner {
    /// At the beginning of a plan.
    pub fn new(plan: Plan) -> Self {
        Self {
            plan,
            ..Self::default()
        }
    }

    /// What it goes by.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What the next tune is to be like; where nothing is planned for now, one of a set of `usual_tunes`.
    pub fn next(&mut self, minute_of_day: u16, usual_tunes: u32) -> NextTune {
        let set_now = self.set_at(minute_of_day);
        let (set, index) = match self.place {
            Some((Some(set), index)) if self.goes_on(set, index, minute_of_day) => {
                (Some(set), index)
            }
            Some((None, index)) if set_now.is_none() && index < usual_tunes => (None, index),
            _ => (set_now, 0),
        };
        self.last = set.or(self.last);
        self.place = Some((set, index + 1));
        let Some(set) = set.map(|set| &self.plan.sets[set]) else {
            return NextTune {
                set: None,
                index,
                count: usual_tunes,
                patch: SettingsPatch::default(),
                tempo: TempoScale::usual(1.0),
            };
        };
        let mut patch = set.patch.clone();
        if !set.keys.is_empty() {
            let key = &set.keys[index as usize % set.keys.len()];
            // It was read when the set was made.
            let _ = patch.set("key", key);
        }
        NextTune {
            set: Some(set.name.clone()),
            index,
            count: set.tunes,
            patch,
            tempo: set.tempo,
        }
    }

    /// The set after the last one whose hour it is.
    fn set_at(&self, minute_of_day: u16) -> Option<usize> {
        let set_count = self.plan.sets.len();
        let after = self.last.map_or(0, |last| last + 1);
        let mut candidates = (0..set_count).map(|step| (after + step) % set_count);
        candidates.find(|&set| self.plan.sets[set].is_at(minute_of_day))
    }

    /// Which sets may be played now: when this changes, what waits may not fit the hour any more.
    pub fn sets_at(&self, minute_of_day: u16) -> Vec<usize> {
        let sets = self.plan.sets.iter().enumerate();
        sets.filter(|(_, set)| set.is_at(minute_of_day))
            .map(|(index, _)| index)
            .collect()
    }

    /// What was asked for will not be played: the set begins anew.
    pub fn start_set_over(&mut self) {
        if let Some((_, index)) = &mut self.place {
            *index = 0;
        }
    }

    fn goes_on(&self, index: usize, tune: u32, minute_of_day: u16) -> bool {
        let set = self.plan.sets.get(index);
        set.is_some_and(|set| tune < set.tunes && set.is_at(minute_of_day))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(keys: &[(&str, &[&str])]) -> PlannedSet {
        let mut set = PlannedSet::new(1);
        for (key, values) in keys {
            let values: Vec<String> = values.iter().map(|&value| value.to_owned()).collect();
            set.assign(key, &values).unwrap();
        }
        set
    }

    /// The sets and keys of so many tunes at this time, such as `Jigs D`.
    fn story(planner: &mut Planner, minute: u16, count: usize) -> Vec<String> {
        let word = |tune: NextTune| {
            let key = tune.patch.key.map(|key| format!(" {key}"));
            let set = tune.set.unwrap_or_else(|| "-".to_owned());
            format!("{set}{}", key.unwrap_or_default())
        };
        (0..count).map(|_| word(planner.next(minute, 3))).collect()
    }

    #[test]
    fn sets_follow_each_other_and_keys_go_round() {
        let jigs = set(&[
            ("name", &["Jigs"]),
            ("tunes", &["3"]),
            ("keys", &["D", "G"]),
        ]);
        let reels = set(&[("name", &["Reels"]), ("tunes", &["2"])]);
        let mut planner = Planner::new(Plan {
            sets: vec![jigs, reels],
        });
        assert_eq!(
            story(&mut planner, 0, 6),
            ["Jigs D", "Jigs G", "Jigs D", "Reels", "Reels", "Jigs D"]
        );
        planner.start_set_over();
        assert_eq!(story(&mut planner, 0, 1), ["Jigs D"]);
    }

    #[test]
    fn without_a_plan_there_are_sets_of_the_usual_length() {
        let mut planner = Planner::default();
        let places: Vec<(u32, u32)> = (0..5)
            .map(|_| planner.next(0, 2))
            .map(|tune| (tune.index, tune.count))
            .collect();
        assert_eq!(places, [(0, 2), (1, 2), (0, 2), (1, 2), (0, 2)]);
        planner.start_set_over();
        assert_eq!(planner.next(0, 2).index, 0);
    }

    #[test]
    fn a_set_has_its_hours_also_over_midnight() {
        let day = set(&[("name", &["Day"]), ("from", &["8:00"]), ("to", &["20:00"])]);
        let night = set(&[
            ("name", &["Night"]),
            ("from", &["22:00"]),
            ("to", &["02:00"]),
        ]);
        let mut planner = Planner::new(Plan {
            sets: vec![day, night],
        });
        let mut at = |text: &str| story(&mut planner, time_of_day(text).unwrap(), 1).remove(0);
        assert_eq!(
            [
                "7:59", "8:00", "19:59", "20:00", "22:00", "23:59", "0:00", "2:00"
            ]
            .map(&mut at),
            ["-", "Day", "Day", "-", "Night", "Night", "Night", "-"]
        );
    }

    #[test]
    fn what_a_set_cannot_be_is_said() {
        let error = |key: &str, value: &str| {
            PlannedSet::new(1)
                .assign(key, &[value.to_owned()])
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            error("from", "25:00"),
            "`25:00` is no time of day; write 18:30"
        );
        assert_eq!(error("tunes", "0"), "0 is not between 1 and 100");
        assert_eq!(error("keys", "H"), "`H` is no key; write D, Am, Edor, Gmix");
    }
}

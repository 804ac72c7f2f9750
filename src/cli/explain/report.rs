//! The answer as plain values: what the text and the JSON print.

use serde::Serialize;

use super::request::Asked;
use super::words::{because, route_value, share, upstream_value};
use crate::plan::explain::{Explainer, Winner};
use crate::plan::router::{Captures, Outcome};
use crate::plan::template::Variable;
use crate::plan::value::host::split_port;
use crate::plan::value::template::VARIABLES;
use crate::plan::{Action, Address, Forward, Loaded, Match, Redirect, Route};
use crate::policy::rewrite::{self, Reached};
use crate::words::fault::{Fault, Kind};
use crate::words::ids::UpstreamId;

/// What becomes of the request.
#[derive(Serialize, Debug)]
pub(super) struct Report {
    pub(super) request: Request,
    /// The answer that the gateway makes itself; absent when the request is forwarded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) answer: Option<Answer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) route: Option<RouteReport>,
    /// Where it may go upstream, by upstream.
    pub(super) targets: Vec<Target>,
    pub(super) losers: Vec<Loser>,
}

/// The request, canonical.
#[derive(Serialize, Debug)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) listener: String,
    pub(super) listener_because: String,
    pub(super) host: String,
    pub(super) path: String,
    /// The path as it was asked for, where that is another spelling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) path_as_written: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) query: Option<String>,
}

/// An answer that the gateway makes itself.
#[derive(Serialize, Debug, Default)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) because: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) location: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) allow: Option<String>,
}

/// The winner.
#[derive(Serialize, Debug)]
pub(super) struct RouteReport {
    pub(super) name: String,
    pub(super) captures: Vec<(String, String)>,
    pub(super) settings: Vec<SettingReport>,
}

/// One resolved setting.
#[derive(Serialize, Debug)]
pub(super) struct SettingReport {
    pub(super) key: String,
    pub(super) value: String,
    /// `file:line`, or `default`.
    pub(super) from: String,
}

/// One upstream that may get the request.
#[derive(Serialize, Debug)]
pub(super) struct Target {
    pub(super) upstream: String,
    pub(super) share: String,
    pub(super) endpoints: Vec<EndpointReport>,
    pub(super) settings: Vec<SettingReport>,
}

/// One endpoint of it.
#[derive(Serialize, Debug)]
pub(super) struct EndpointReport {
    /// Address and target.
    pub(super) url: String,
    /// What Host says.
    pub(super) host: String,
    /// Share of the upstream's requests.
    pub(super) share: String,
}

/// A route that does not serve the request.
#[derive(Serialize, Debug)]
pub(super) struct Loser {
    pub(super) route: String,
    pub(super) because: String,
}

impl Report {
    /// The report on `asked`.
    pub(super) fn of(asked: &Asked, loaded: &Loaded) -> Self {
        let mut report = Self {
            request: request(asked, loaded),
            answer: None,
            route: None,
            targets: Vec::new(),
            losers: Vec::new(),
        };
        let listener = &loaded.plan.listeners[asked.question.listener.index()];
        if let Some((kind, detail)) = asked.refusal {
            report.answer = Some(refusal(kind, detail));
        } else if let Some(redirect) = &listener.redirect {
            let scene = Scene { asked, loaded, route: None, captures: Captures::NONE };
            report.answer = Some(scene.redirect(redirect, "the listener redirects everything"));
        } else {
            report.judge(asked, loaded);
        }
        report
    }

    /// True when a route or a redirect serves the request.
    pub(super) fn is_served(&self) -> bool {
        self.route.is_some() || self.answer.as_ref().is_some_and(|answer| answer.location.is_some())
    }

    fn judge(&mut self, asked: &Asked, loaded: &Loaded) {
        let explanation = Explainer::new(&loaded.matches).explain(&asked.question);
        let name = |wanted: &Match| loaded.plan.routes[wanted.route.index()].name.clone();
        let winner_name = explanation.winner.as_ref().map(|winner| name(winner.wanted));
        self.losers = explanation
            .losers
            .iter()
            .map(|(wanted, loss)| Loser {
                route: name(wanted),
                because: because(*loss, wanted, winner_name.as_deref()),
            })
            .collect();
        match &explanation.winner {
            Some(winner) => self.serve(winner, asked, loaded),
            None if explanation.allowed.is_empty() => {
                self.answer = Some(refusal(Kind::NotFound, "no route matches"));
            }
            None => {
                let answer = refusal(Kind::MethodNotAllowed, "routes match, none of them with this method");
                let allow = Vec::from_iter(explanation.allowed).join(", ");
                self.answer = Some(Answer { allow: Some(allow), ..answer });
            }
        }
    }

    fn serve(&mut self, winner: &Winner<'_>, asked: &Asked, loaded: &Loaded) {
        let id = winner.wanted.route;
        let route = &loaded.plan.routes[id.index()];
        let values = loaded.origins.route(id).iter().map(|setting| SettingReport {
            key: setting.key.to_owned(),
            value: route_value(setting, route, winner.wanted, loaded),
            from: loaded.origins.text(setting),
        });
        self.route = Some(RouteReport {
            name: route.name.clone(),
            captures: winner.captures.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
            settings: values.collect(),
        });
        let captures = match loaded.plan.router.find(&asked.question) {
            Outcome::Found(_, captures) => captures,
            Outcome::MethodNotAllowed | Outcome::NotFound => Captures::NONE,
        };
        let scene = Scene { asked, loaded, route: Some(route), captures };
        match &route.action {
            Action::Forward(forward) => match scene.targets(forward) {
                Ok(targets) => self.targets = targets,
                Err(fault) => self.answer = Some(refusal(fault.kind, fault.detail)),
            },
            Action::Redirect(redirect) => self.answer = Some(scene.redirect(redirect, "the route redirects")),
            Action::Respond(respond) => {
                let because = format!("the route answers by itself, with {} bytes", respond.body.len());
                self.answer = Some(Answer { status: respond.status, because, ..Answer::default() });
            }
        }
    }
}

/// What rewriting needs to know.
struct Scene<'a> {
    asked: &'a Asked,
    loaded: &'a Loaded,
    route: Option<&'a Route>,
    captures: Captures,
}

impl Scene<'_> {
    fn asked(&self) -> rewrite::Asked<'_> {
        let question = &self.asked.question;
        let query = question.query.as_deref().map(str::as_bytes);
        rewrite::Asked { path: question.path.as_bytes(), query, captures: &self.captures }
    }

    /// How clients reach the listener.
    fn scheme(&self) -> &'static str {
        let listener = &self.loaded.plan.listeners[self.asked.question.listener.index()];
        if listener.tls.is_some() { "https" } else { "http" }
    }

    fn redirect(&self, redirect: &Redirect, because: &str) -> Answer {
        // The host as it was written, as the data path has it.
        let host = split_port(&self.asked.authority).map_or("", |(host, _)| host).as_bytes();
        let reached = Reached { scheme: self.scheme(), host, port: self.asked.port };
        let mut out = Vec::new();
        let fill = |variable: Variable, out: &mut Vec<u8>| self.fill(variable, out);
        match rewrite::location(redirect, &self.asked(), &reached, &fill, &mut out) {
            Ok(()) => Answer {
                status: redirect.status,
                because: because.to_owned(),
                location: Some(String::from_utf8_lossy(&out).into_owned()),
                allow: None,
            },
            Err(Fault { kind, detail, .. }) => refusal(kind, detail),
        }
    }

    fn targets(&self, forward: &Forward) -> Result<Vec<Target>, Fault> {
        let mut out = Vec::new();
        let fill = |variable: Variable, out: &mut Vec<u8>| self.fill(variable, out);
        rewrite::target(&forward.rewrite, &self.asked(), &fill, &mut out)?;
        let target = String::from_utf8_lossy(&out);
        let weights: u64 = forward.targets.iter().map(|(_, weight)| u64::from(*weight)).sum();
        let report = |(id, weight): &(UpstreamId, u32)| self.target(*id, share(*weight, weights), &target, forward);
        Ok(forward.targets.iter().map(report).collect())
    }

    fn target(&self, id: UpstreamId, share_of_route: String, target: &str, forward: &Forward) -> Target {
        let upstream = &self.loaded.plan.upstreams[id.index()];
        let weights: u64 = upstream.endpoints.iter().map(|endpoint| u64::from(endpoint.weight)).sum();
        let endpoints = upstream.endpoints.iter().map(|endpoint| {
            // HTTP/1.1 upstream must have a Host, also for a request without one.
            let client = if self.asked.authority.is_empty() { &endpoint.authority } else { &self.asked.authority };
            let host = rewrite::authority(&forward.rewrite.host, client.as_bytes(), &endpoint.authority);
            EndpointReport {
                url: match &endpoint.address {
                    Address::Tcp(address) if endpoint.is_tls => format!("https://{address}{target}"),
                    Address::Tcp(address) => format!("http://{address}{target}"),
                    Address::Unix(path) => format!("unix:{}:{target}", path.display()),
                },
                host: String::from_utf8_lossy(host).into_owned(),
                share: share(endpoint.weight, weights),
            }
        });
        let settings = self.loaded.origins.upstream(id).iter().map(|setting| SettingReport {
            key: setting.key.to_owned(),
            value: upstream_value(setting, upstream),
            from: self.loaded.origins.text(setting),
        });
        Target {
            upstream: upstream.name.clone(),
            share: share_of_route,
            endpoints: endpoints.collect(),
            settings: settings.collect(),
        }
    }

    /// Variables that only a real request has stand for themselves.
    fn fill(&self, variable: Variable, out: &mut Vec<u8>) {
        let question = &self.asked.question;
        let listener = &self.loaded.plan.listeners[question.listener.index()];
        let text = match variable {
            Variable::RequestMethod => &question.method,
            Variable::RequestScheme => self.scheme(),
            Variable::RequestHost => &question.host,
            Variable::ServerName => &self.loaded.plan.server.name,
            Variable::ListenerName => &listener.name,
            Variable::RouteName => self.route.map_or("-", |route| &route.name),
            other => VARIABLES.iter().find(|(_, variable, _)| *variable == other).map_or("-", |(name, _, _)| name),
        };
        out.extend_from_slice(text.as_bytes());
    }
}

fn request(asked: &Asked, loaded: &Loaded) -> Request {
    let question = &asked.question;
    Request {
        method: question.method.clone(),
        listener: loaded.plan.listeners[question.listener.index()].name.clone(),
        listener_because: asked.listener_because.clone(),
        host: question.host.clone(),
        path: question.path.clone(),
        path_as_written: (asked.raw_path != question.path).then(|| asked.raw_path.clone()),
        query: question.query.clone(),
    }
}

fn refusal(kind: Kind, detail: &str) -> Answer {
    Answer { status: kind.row().status, because: detail.to_owned(), ..Answer::default() }
}

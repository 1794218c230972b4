//! What a client has asked the engine and not heard of yet. Whoever asked may
//! stop waiting at any time; what comes then is undone.

use crate::layout::{ConnectionInfo, Reason};
use crate::message::{ConnectionHandle, Submission};
use crate::sockets::state::State;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::task::Waker;

#[derive(Debug, Default)]
pub(crate) struct Questions {
    open: HashMap<u64, Question>,
    asked: u64,
}

#[derive(Debug)]
enum Question {
    Open(Option<Waker>),
    /// Nobody waits for the answer any more.
    Abandoned,
    Answered(Result<Answer, Reason>),
}

/// What became of a question.
#[derive(Debug)]
pub(crate) enum Answer {
    Listening(SocketAddr),
    Connected(ConnectionHandle),
    Info(Box<ConnectionInfo>),
}

impl Questions {
    pub(crate) fn wake_all(&mut self, wake: &mut Vec<Waker>) {
        for question in self.open.values_mut() {
            if let Question::Open(waker) = question {
                wake.extend(waker.take());
            }
        }
    }
}

impl State {
    /// Asks something; `submission` gets the `user_data` that names the question.
    pub(crate) fn ask(&mut self, submission: impl FnOnce(u64) -> Submission) -> u64 {
        let user_data = self.questions.asked;
        self.questions.asked += 1;
        self.questions.open.insert(user_data, Question::Open(None));
        self.submit(submission(user_data));
        user_data
    }

    pub(crate) fn answer(&mut self, user_data: u64, answer: Result<Answer, Reason>) {
        match self.questions.open.remove(&user_data) {
            Some(Question::Open(waker)) => {
                self.wake.extend(waker);
                self.questions.open.insert(user_data, Question::Answered(answer));
            }
            _ => self.discard(user_data, &answer),
        }
    }

    /// The answer to a question, once; else `waker` is woken when it is there.
    pub(crate) fn poll_answer(&mut self, user_data: u64, waker: &Waker) -> Option<io::Result<Answer>> {
        if let Some(Question::Answered(_)) = self.questions.open.get(&user_data)
            && let Some(Question::Answered(answer)) = self.questions.open.remove(&user_data)
        {
            return Some(answer.map_err(Reason::into_error));
        }
        if let Some(gone) = self.gone {
            self.questions.open.remove(&user_data);
            return Some(Err(gone.error(io::ErrorKind::ConnectionAborted)));
        }
        self.questions.open.insert(user_data, Question::Open(Some(waker.clone())));
        None
    }

    /// Nobody waits for the answer any more.
    pub(crate) fn abandon(&mut self, user_data: u64) {
        match self.questions.open.remove(&user_data) {
            Some(Question::Answered(answer)) => self.discard(user_data, &answer),
            Some(_) if self.gone.is_none() => {
                self.questions.open.insert(user_data, Question::Abandoned);
            }
            _ => {}
        }
    }

    /// Undoes what nobody has asked for.
    fn discard(&mut self, user_data: u64, answer: &Result<Answer, Reason>) {
        match answer {
            Ok(Answer::Listening(_)) => self.close_listener(user_data),
            Ok(Answer::Connected(connection)) => self.close(*connection),
            Ok(Answer::Info(_)) | Err(_) => {}
        }
    }
}

impl Reason {
    /// As the standard library has it.
    pub fn into_error(self) -> io::Error {
        match i32::try_from(self.0) {
            Ok(0) | Err(_) => io::ErrorKind::Other.into(),
            Ok(errno) => io::Error::from_raw_os_error(errno),
        }
    }
}

import type { Http } from '../../shared/http.ts'
import { giteaApi, giteaSender } from './gitea.ts'
import { githubApi, githubSender } from './github.ts'
import { gitlabApi, gitlabSender } from './gitlab.ts'
import type { GitApi, GitSender } from './provider.ts'
import type { ProviderName, Repository } from './settings.ts'

export const SENDERS: Readonly<Record<ProviderName, GitSender>> = {
  github: githubSender,
  gitlab: gitlabSender,
  gitea: giteaSender,
}

const APIS: Readonly<Record<ProviderName, (http: Http, repository: Repository) => GitApi>> = {
  github: githubApi,
  gitlab: gitlabApi,
  gitea: giteaApi,
}

export const apiOf = (http: Http, repository: Repository) => APIS[repository.provider](http, repository)

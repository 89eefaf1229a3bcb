"""ECS and EKS: clusters and services, with tasks that run or do not."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from opsbot.replica.codec import Fault, Handler, Params, Request, Result
from opsbot.replica.services import rollouts
from opsbot.replica.services.lookup import Paging, chosen, here, page, tags, with_arn
from opsbot.replica.world import Resource

PAGES = Paging(size="maxResults", cursor="nextToken", answer="nextToken", usual=100, most=100)
SERVICE_PAGES = Paging(size="maxResults", cursor="nextToken", answer="nextToken", usual=10, most=100)
DESCRIBED_AT_ONCE = 10


def _cluster_arn(request: Request, name: str) -> str:
    return f"arn:aws:ecs:{request.region}:{request.account}:cluster/{name}"


def _clusters(request: Request) -> list[str]:
    return sorted({service.text("cluster") for service in here(request, "ecs-service")})


def _services(request: Request, params: Params) -> list[Resource]:
    name = str(params.get("cluster") or "default").rsplit("/", 1)[-1]
    if name not in _clusters(request):
        raise Fault("ClusterNotFoundException", "Cluster not found.")
    return [service for service in here(request, "ecs-service") if service.text("cluster") == name]


def list_clusters(request: Request, params: Params) -> Result:
    found, token = page([_cluster_arn(request, name) for name in _clusters(request)], params, PAGES)
    return {"clusterArns": found, **token}


def describe_clusters(request: Request, params: Params) -> Result:
    wanted = [str(name).rsplit("/", 1)[-1] for name in params.get("clusters") or ["default"]]
    known = _clusters(request)
    missing = [{"arn": _cluster_arn(request, name), "reason": "MISSING"} for name in wanted if name not in known]
    return {"clusters": [_cluster(request, name) for name in wanted if name in known], "failures": missing}


def _cluster(request: Request, name: str) -> dict[str, Any]:
    services = _services(request, {"cluster": name})
    return {
        "clusterName": name,
        "clusterArn": _cluster_arn(request, name),
        "status": "ACTIVE",
        "activeServicesCount": len(services),
        "runningTasksCount": sum(_running(request, service) for service in services),
        "pendingTasksCount": 0,
    }


def list_services(request: Request, params: Params) -> Result:
    found, token = page([service.arn for service in _services(request, params)], params, SERVICE_PAGES)
    return {"serviceArns": found, **token}


def describe_services(request: Request, params: Params) -> Result:
    wanted = [str(name) for name in params.get("services") or ()]
    if len(wanted) > DESCRIBED_AT_ONCE:
        raise Fault("InvalidParameterException", f"Number of services exceeds the limit of {DESCRIBED_AT_ONCE}.")
    known = {key: service for service in _services(request, params) for key in (service.name, service.arn)}
    with_tags = "TAGS" in (params.get("include") or ())
    return {
        "services": [_service(request, known[name], with_tags) for name in wanted if name in known],
        "failures": [{"arn": name, "reason": "MISSING"} for name in wanted if name not in known],
    }


def _running(request: Request, service: Resource) -> int:
    trouble = request.world.trouble(service, "runningCount", request.now)
    return service.number("desired") if trouble is None else int(trouble.value)


def _service(request: Request, service: Resource, with_tags: bool) -> dict[str, Any]:
    running, desired = _running(request, service), service.number("desired")
    shown = {
        "serviceName": service.name,
        "serviceArn": service.arn,
        "clusterArn": _cluster_arn(request, service.text("cluster")),
        "status": "ACTIVE",
        "launchType": "FARGATE",
        "schedulingStrategy": "REPLICA",
        "desiredCount": desired,
        "runningCount": running,
        "pendingCount": 0,
        "taskDefinition": _task_definition(request, service),
        "createdAt": service.created,
        "deployments": [_deployment(request, service, running)],
        "events": _events(request, service, running),
    }
    sick = request.world.cause(service, "runningCount", request.now) is not None
    shown = rollouts.overlaid(request, service, shown, sick=sick or running < desired)
    return {**shown, "tags": tags(service, "key", "value")} if with_tags else shown


def update_service(request: Request, params: Params) -> Result:
    name = str(params.get("service")).rsplit("/", 1)[-1]
    service = next((one for one in _services(request, params) if one.name == name), None)
    if service is None:
        raise Fault("ServiceNotFoundException", "Service not found.")
    rollouts.changed(request, service, params)
    return {"service": _service(request, service, False)}


def _task_definition(request: Request, service: Resource) -> str:
    return f"arn:aws:ecs:{request.region}:{request.account}:task-definition/{service.name}:42"


def _since(request: Request, service: Resource) -> datetime:
    """When the present deployment began: with the trouble, or weeks ago."""
    trouble = request.world.trouble(service, "runningCount", request.now)
    began = None if trouble is None else trouble.window.began(int(request.now.timestamp()))
    return service.created if began is None else datetime.fromtimestamp(began, request.now.tzinfo)


def _deployment(request: Request, service: Resource, running: int) -> dict[str, Any]:
    desired, since = service.number("desired"), _since(request, service)
    return {
        "id": f"ecs-svc/{service.text('id')}",
        "status": "PRIMARY",
        "taskDefinition": _task_definition(request, service),
        "desiredCount": desired,
        "runningCount": running,
        "pendingCount": 0,
        "failedTasks": 0 if running >= desired else 12,
        "createdAt": since,
        "updatedAt": since,
        "rolloutState": "COMPLETED" if running >= desired else "IN_PROGRESS",
    }


def _events(request: Request, service: Resource, running: int) -> list[dict[str, Any]]:
    steady = running >= service.number("desired")
    told = (
        "has reached a steady state." if steady else "was unable to place a task: CannotPullContainerError: not found"
    )
    at = request.now.replace(minute=0, second=0, microsecond=0) - timedelta(minutes=10)
    return [{"id": service.text("id"), "createdAt": at, "message": f"(service {service.name}) {told}"}]


def list_tags(request: Request, params: Params) -> Result:
    services: Sequence[Resource] = here(request, "ecs-service")
    missing = Fault("InvalidParameterException", "The specified resource was not found.")
    return {"tags": tags(with_arn(services, str(params.get("resourceArn")), missing), "key", "value")}


def list_eks_clusters(request: Request, params: Params) -> Result:
    found, token = page([cluster.name for cluster in here(request, "eks-cluster")], params, PAGES)
    return {"clusters": found, **token}


def describe_eks_cluster(request: Request, params: Params) -> Result:
    name = str(params.get("name"))
    missing = Fault("ResourceNotFoundException", f"No cluster found for name: {name}.", 404)
    cluster = chosen(here(request, "eks-cluster"), name, missing)[0]
    return {
        "cluster": {
            "name": cluster.name,
            "arn": cluster.arn,
            "status": "ACTIVE",
            "version": cluster.text("version"),
            "createdAt": cluster.created,
            "tags": dict(cluster.tags),
        }
    }


HANDLERS: dict[tuple[str, str], Handler] = {
    ("ecs", "ListClusters"): list_clusters,
    ("ecs", "DescribeClusters"): describe_clusters,
    ("ecs", "ListServices"): list_services,
    ("ecs", "DescribeServices"): describe_services,
    ("ecs", "UpdateService"): update_service,
    ("ecs", "ListTagsForResource"): list_tags,
    ("eks", "ListClusters"): list_eks_clusters,
    ("eks", "DescribeCluster"): describe_eks_cluster,
}

"""Resource Groups Tagging: tags of everything in a place that has an ARN."""

from opsbot.replica.codec import Fault, Handler, Params, Request, Result
from opsbot.replica.services.lookup import Paging, all_here, page, tags
from opsbot.replica.world import Resource

PAGES = Paging(
    size="ResourcesPerPage",
    cursor="PaginationToken",
    answer="PaginationToken",
    usual=50,
    most=100,
    error="PaginationTokenExpiredException",
)


def get_resources(request: Request, params: Params) -> Result:
    arns, types = params.get("ResourceARNList") or (), params.get("ResourceTypeFilters") or ()
    if arns and types:
        raise Fault("InvalidParameterException", "ResourceARNList cannot be given together with other filters.")
    wanted = sorted(
        (r for r in all_here(request) if _asked(r, params) and (not arns or r.arn in arns)), key=lambda r: r.arn
    )
    found, token = page(wanted, params, PAGES)
    mapping = [{"ResourceARN": resource.arn, "Tags": tags(resource)} for resource in found]
    return {"ResourceTagMappingList": mapping, "PaginationToken": "", **token}


def resource_type(arn: str) -> str:
    """The type as the filters name it: "ecs:service", "sqs"."""
    _, _, service, _, _, tail = arn.split(":", 5)
    head = tail.lstrip("/").replace(":", "/").split("/")
    return f"{service}:{head[0]}" if len(head) > 1 else service


def _asked(resource: Resource, params: Params) -> bool:
    types = params.get("ResourceTypeFilters") or ()
    kind = resource_type(resource.arn)
    if types and not any(one in (kind, kind.split(":")[0]) for one in types):
        return False
    own = dict(resource.tags)
    return all(_tagged(own, one) for one in params.get("TagFilters") or ())


def _tagged(own: dict[str, str], one: Params) -> bool:
    values = one.get("Values") or ()
    return one.get("Key") in own and (not values or own[str(one["Key"])] in values)


HANDLERS: dict[tuple[str, str], Handler] = {("resourcegroupstaggingapi", "GetResources"): get_resources}

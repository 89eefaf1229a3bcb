"""Describe calls through a real boto3 client: every operation, pages, errors, and that they agree with the metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import boto3
import botocore.session
import jmespath
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.loaders import Loader

from opsbot.replica import resources, scenario, server
from opsbot.replica.world import EnvironmentSpec, SeriesId, World

NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
Client = Callable[[str], Any]
# One loader for all sessions: reading the service models is what makes a client slow.
MODELS = Loader(include_default_search_paths=True)


@contextmanager
def embedded(now: datetime) -> Iterator[tuple[World, Callable[[str], Client]]]:
    """The shipped world at a time; `enter("dhbw-prod")("ecs")` is a client through that environment's role."""
    world = scenario.load(scenario.SHIPPED, anchor=now)
    with server.serve(world, now=lambda: now) as running:
        yield world, cache(lambda name: entered(running.url, next(e for e in world.environments if e.name == name)))


def entered(url: str, environment: EnvironmentSpec) -> Client:
    demo = {"aws_access_key_id": "demo", "aws_secret_access_key": "demo"}
    sts = boto3.client("sts", endpoint_url=url, region_name="us-east-1", **demo)
    external = {"ExternalId": environment.external_id} if environment.external_id else {}
    arn = f"arn:aws:iam::{environment.account}:role/opsbot"
    keys = sts.assume_role(RoleArn=arn, RoleSessionName="opsbot", **external)["Credentials"]
    core = botocore.session.get_session()
    core.register_component("data_loader", MODELS)
    session = boto3.Session(
        botocore_session=core,
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
        region_name=environment.regions[0],
    )
    once = Config(retries={"mode": "standard", "total_max_attempts": 1})
    return cache(lambda service: session.client(service, endpoint_url=url, config=once))


@pytest.fixture(scope="module")
def enter() -> Iterator[Callable[[str], Client]]:
    with embedded(NOW) as (_, way):
        yield way


@pytest.fixture(scope="module")
def world() -> World:
    return scenario.load(scenario.SHIPPED, anchor=NOW)


D, S, P = "dhbw-prod", "shopai-prod", "dataplat-prod"
ECS = "arn:aws:ecs:eu-central-1:201000000001"
CALLS: list[tuple[str, str, str, dict[str, Any], str, object]] = [
    (D, "ecs", "list_clusters", {}, "clusterArns", [f"{ECS}:cluster/lecture"]),
    (
        D,
        "ecs",
        "describe_clusters",
        {"clusters": ["lecture", "no"]},
        "[clusters[0].runningTasksCount, failures[0].reason]",
        [15, "MISSING"],
    ),
    (D, "ecs", "list_services", {"cluster": "lecture"}, "serviceArns[0]", f"{ECS}:service/lecture/lecture-backend"),
    (
        D,
        "ecs",
        "describe_services",
        {"cluster": "lecture", "services": ["quiz-api"]},
        "services[0].[runningCount, desiredCount, tags]",
        [3, 3, None],
    ),
    (
        D,
        "ecs",
        "describe_services",
        {"cluster": "lecture", "services": ["quiz-api", "no"], "include": ["TAGS"]},
        "[services[0].tags[0], failures[0].arn]",
        [{"key": "customer", "value": "dhbw"}, "no"],
    ),
    (
        D,
        "ecs",
        "list_tags_for_resource",
        {"resourceArn": f"{ECS}:service/lecture/quiz-api"},
        "tags[1].value",
        "production",
    ),
    (D, "eks", "list_clusters", {}, "clusters", ["analytics"]),
    (D, "eks", "describe_cluster", {"name": "analytics"}, "cluster.[status, tags.team]", ["ACTIVE", "data"]),
    (
        D,
        "lambda",
        "list_functions",
        {},
        "Functions[0].[FunctionName, Timeout, MemorySize]",
        ["caption-translate", 30, 512],
    ),
    (
        D,
        "lambda",
        "get_function",
        {"FunctionName": "pdf-render"},
        "[Configuration.Runtime, Tags.team]",
        ["python3.13", "backend"],
    ),
    (D, "lambda", "get_function_configuration", {"FunctionName": "pdf-render"}, "Timeout", 30),
    (
        D,
        "lambda",
        "list_tags",
        {"Resource": "arn:aws:lambda:eu-central-1:201000000001:function:pdf-render"},
        "Tags.owner",
        "anna.keller",
    ),
    (
        D,
        "lambda",
        "get_account_settings",
        {},
        "[AccountLimit.ConcurrentExecutions, AccountUsage.FunctionCount]",
        [1000, 8],
    ),
    (
        D,
        "rds",
        "describe_db_instances",
        {},
        "DBInstances[0].[DBInstanceIdentifier, AllocatedStorage, DBInstanceClass, Engine]",
        ["lecture-db", 400, "db.r6g.xlarge", "postgres"],
    ),
    (
        S,
        "rds",
        "describe_db_instances",
        {"DBInstanceIdentifier": "orders-writer"},
        "DBInstances[*].[AllocatedStorage, DBClusterIdentifier]",
        [[1, "orders"]],
    ),
    (
        S,
        "rds",
        "describe_db_clusters",
        {},
        "DBClusters[0].[DBClusterIdentifier, length(DBClusterMembers)]",
        ["orders", 3],
    ),
    (
        S,
        "rds",
        "list_tags_for_resource",
        {"ResourceName": "arn:aws:rds:us-east-1:301000000001:cluster:orders"},
        "TagList[0].Value",
        "shopai",
    ),
    (
        S,
        "elasticache",
        "describe_cache_clusters",
        {},
        "CacheClusters[*].CacheClusterId",
        ["basket-cache-001", "basket-cache-002", "product-cache-001"],
    ),
    (
        S,
        "elasticache",
        "list_tags_for_resource",
        {"ResourceName": "arn:aws:elasticache:us-east-1:301000000001:cluster:product-cache-001"},
        "TagList[0].Key",
        "customer",
    ),
    (
        P,
        "dms",
        "describe_replication_tasks",
        {},
        "ReplicationTasks[1].[ReplicationTaskIdentifier, Status]",
        ["erp-to-lake", "running"],
    ),
    (
        P,
        "dms",
        "describe_replication_instances",
        {},
        "ReplicationInstances[*].ReplicationInstanceIdentifier",
        ["replication-main"],
    ),
    (
        P,
        "dms",
        "list_tags_for_resource",
        {"ResourceArn": "arn:aws:dms:eu-central-1:302000000001:task:erp-to-lake"},
        "TagList[3].Value",
        "data",
    ),
    (P, "dynamodb", "list_tables", {}, "TableNames", ["job-locks", "watermarks"]),
    (P, "dynamodb", "describe_table", {"TableName": "watermarks"}, "Table.TableStatus", "ACTIVE"),
    (
        P,
        "dynamodb",
        "list_tags_of_resource",
        {"ResourceArn": "arn:aws:dynamodb:eu-central-1:302000000001:table/watermarks"},
        "Tags[0].Value",
        "dataplat",
    ),
    (
        S,
        "elbv2",
        "describe_load_balancers",
        {},
        "LoadBalancers[*].[LoadBalancerName, State.Code]",
        [["shop-api", "active"], ["shop-web", "active"]],
    ),
    (S, "elbv2", "describe_load_balancers", {"Names": ["shop-web"]}, "length(LoadBalancers)", 1),
    (S, "elbv2", "describe_target_groups", {}, "TargetGroups[*].TargetGroupName", ["shop-api-tg", "shop-web-tg"]),
    (D, "apigateway", "get_rest_apis", {}, "items[*].[name, tags.customer]", [["public-api", "dhbw"]]),
    (
        S,
        "apigatewayv2",
        "get_apis",
        {},
        "Items[*].[Name, ProtocolType, Tags.team]",
        [["partner-events", "HTTP", "shop"]],
    ),
    (D, "s3", "list_buckets", {}, "Buckets[*].Name", ["dhbw-lecture-media", "dhbw-lecture-uploads"]),
    (D, "s3", "get_bucket_location", {"Bucket": "dhbw-lecture-media"}, "LocationConstraint", "eu-central-1"),
    (S, "s3", "get_bucket_location", {"Bucket": "shopai-models"}, "LocationConstraint", None),
    (S, "s3", "head_bucket", {"Bucket": "shopai-models"}, "BucketRegion", "us-east-1"),
    (
        D,
        "s3",
        "list_bucket_metrics_configurations",
        {"Bucket": "dhbw-lecture-media"},
        "MetricsConfigurationList[*].Id",
        ["EntireBucket"],
    ),
    (D, "s3", "get_bucket_tagging", {"Bucket": "dhbw-lecture-media"}, "TagSet[3].Value", "media"),
    (
        S,
        "cloudfront",
        "list_distributions",
        {},
        "DistributionList.[Quantity, Items[*].Aliases.Items[0]]",
        [2, ["images.shopai.example.com", "www.shopai.example.com"]],
    ),
    (
        P,
        "batch",
        "describe_job_queues",
        {},
        "jobQueues[*].[jobQueueName, state]",
        [["feature-build", "ENABLED"], ["nightly-aggregates", "ENABLED"], ["reprocessing", "ENABLED"]],
    ),
    (P, "batch", "list_jobs", {"jobQueue": "feature-build", "jobStatus": "FAILED"}, "jobSummaryList", []),
    (P, "glue", "get_jobs", {}, "Jobs[0].[Name, GlueVersion]", ["clean-events", "5.0"]),
    (P, "glue", "get_job_runs", {"JobName": "clean-events", "MaxResults": 3}, "JobRuns[1].JobRunState", "SUCCEEDED"),
    (
        P,
        "glue",
        "get_crawlers",
        {},
        "Crawlers[*].[Name, LastCrawl.Status]",
        [["bronze-crm", "SUCCEEDED"], ["bronze-erp", "FAILED"], ["silver-events", "SUCCEEDED"]],
    ),
    (
        P,
        "glue",
        "get_tags",
        {"ResourceArn": "arn:aws:glue:eu-central-1:302000000001:job/clean-events"},
        "Tags.owner",
        "jonas.brandt",
    ),
    (
        P,
        "ec2",
        "describe_instances",
        {"Filters": [{"Name": "tag:Name", "Values": ["kafka-1"]}]},
        "Reservations[*].Instances[0].[InstanceType, State.Name]",
        [["m7g.xlarge", "running"]],
    ),
    (
        P,
        "ec2",
        "describe_instances",
        {"Filters": [{"Name": "instance-state-name", "Values": ["stopped"]}]},
        "Reservations",
        [],
    ),
    (
        P,
        "sqs",
        "list_queues",
        {"QueueNamePrefix": "file"},
        "QueueUrls",
        ["https://sqs.eu-central-1.amazonaws.com/302000000001/file-arrivals"],
    ),
    (
        P,
        "sqs",
        "list_queue_tags",
        {"QueueUrl": "https://sqs.eu-central-1.amazonaws.com/302000000001/file-arrivals"},
        "Tags.team",
        "data",
    ),
    (
        D,
        "acm",
        "list_certificates",
        {},
        "CertificateSummaryList[*].[DomainName, Status]",
        [["*.dhbw.example.org", "ISSUED"]],
    ),
    (
        D,
        "resourcegroupstaggingapi",
        "get_resources",
        {"ResourceTypeFilters": ["rds:db"]},
        "ResourceTagMappingList[0].Tags[0]",
        {"Key": "customer", "Value": "dhbw"},
    ),
    (
        D,
        "resourcegroupstaggingapi",
        "get_resources",
        {"TagFilters": [{"Key": "team", "Values": ["media"]}], "ResourceTypeFilters": ["s3", "ec2"]},
        "length(ResourceTagMappingList)",
        3,
    ),
    (
        D,
        "resourcegroupstaggingapi",
        "get_resources",
        {"TagFilters": [{"Key": "nothing"}]},
        "ResourceTagMappingList",
        [],
    ),
    (
        D,
        "ce",
        "get_cost_and_usage",
        {
            "TimePeriod": {"Start": "2026-11-01", "End": "2026-11-03"},
            "Granularity": "DAILY",
            "Metrics": ["UnblendedCost"],
        },
        "ResultsByTime[].[TimePeriod.Start, Estimated, Total.UnblendedCost.Unit, Groups]",
        [["2026-11-01", True, "USD", []], ["2026-11-02", True, "USD", []]],
    ),
    (
        D,
        "ce",
        "get_dimension_values",
        {
            "TimePeriod": {"Start": "2026-11-01", "End": "2026-11-03"},
            "Dimension": "LINKED_ACCOUNT",
            "SearchString": "202",
        },
        "[DimensionValues, ReturnSize, TotalSize]",
        [[{"Value": "202000000001", "Attributes": {"description": "edt-prod"}}], 1, 1],
    ),
    (
        D,
        "ce",
        "get_cost_forecast",
        {
            "TimePeriod": {"Start": "2026-11-20", "End": "2026-12-01"},
            "Metric": "UNBLENDED_COST",
            "Granularity": "MONTHLY",
        },
        "[Total.Unit, ForecastResultsByTime[].TimePeriod]",
        ["USD", [{"Start": "2026-11-20", "End": "2026-12-01"}]],
    ),
    (
        D,
        "budgets",
        "describe_budgets",
        {"AccountId": "201000000001"},
        "Budgets[].[BudgetName, BudgetLimit.Amount, TimeUnit]",
        [["lecture-platform", "31000.000", "MONTHLY"], ["lecture-americas", "9500.000", "MONTHLY"]],
    ),
    (
        S,
        "cost-optimization-hub",
        "list_recommendations",
        {"maxResults": 1},
        "items[].[actionType, currencyCode, source]",
        [["Rightsize", "USD", "ComputeOptimizer"]],
    ),
    (
        D,
        "ec2",
        "describe_addresses",
        {},
        "Addresses[].[PublicIp, InstanceId]",
        [["192.0.2.17", "media-ingest-1"], ["192.0.2.18", None]],
    ),
    (
        D,
        "ec2",
        "describe_snapshots",
        {"OwnerIds": ["self"]},
        "Snapshots[?VolumeSize==`600`].[State, FullSnapshotSizeInBytes]",
        [["completed", 410 * 2**30], ["completed", 410 * 2**30]],
    ),
    (D, "ec2", "describe_images", {"Owners": ["self"]}, "Images", []),
    (
        D,
        "ec2",
        "describe_nat_gateways",
        {"Filters": [{"Name": "state", "Values": ["available"]}]},
        "NatGateways[].[State, Tags[-1].Value]",
        [["available", "nat-lecture"], ["available", "nat-old-campus"]],
    ),
    (
        D,
        "ce",
        "get_savings_plans_coverage",
        {"TimePeriod": {"Start": "2026-11-01", "End": "2026-11-03"}, "Granularity": "DAILY"},
        "SavingsPlansCoverages[].TimePeriod.Start",
        ["2026-11-01", "2026-11-02"],
    ),
    (
        D,
        "ce",
        "get_reservation_coverage",
        {"TimePeriod": {"Start": "2026-11-01", "End": "2026-11-03"}},
        "Total.CoverageHours.[CoverageHoursPercentage, ReservedHours]",
        ["0", "0"],
    ),
    (
        S,
        "ce",
        "get_rightsizing_recommendation",
        {"Service": "AmazonEC2", "PageSize": 1},
        "RightsizingRecommendations[].[RightsizingType, CurrentInstance.CurrencyCode]",
        [["MODIFY", "USD"]],
    ),
    (
        D,
        "ce",
        "get_anomalies",
        {"DateInterval": {"StartDate": "2026-11-01", "EndDate": "2026-11-19"}},
        "Anomalies[].RootCauses[].[Service, LinkedAccount]",
        [],
    ),
    (
        S,
        "application-autoscaling",
        "describe_scalable_targets",
        {"ServiceNamespace": "ecs"},
        "ScalableTargets[?ends_with(ResourceId, 'checkout-api')].[ResourceId, MinCapacity, MaxCapacity]",
        [["service/shop/checkout-api", 3, 18]],
    ),
    (
        P,
        "autoscaling",
        "describe_auto_scaling_groups",
        {},
        "AutoScalingGroups[].[AutoScalingGroupName, DesiredCapacity, MaxSize]",
        [["kafka-connect", 24, 32]],
    ),
    (
        P,
        "service-quotas",
        "list_service_quotas",
        {"ServiceCode": "ec2"},
        "Quotas[].[QuotaCode, Value, UsageMetric.MetricDimensions.Resource]",
        [["L-1216C47A", 480.0, "vCPU"]],
    ),
    (P, "service-quotas", "list_service_quotas", {"ServiceCode": "lambda"}, "Quotas", []),
    (
        "edt-prod",
        "efs",
        "describe_file_systems",
        {},
        "FileSystems[].[Name, SizeInBytes.Value]",
        [["shared-uploads", 857 * 2**30]],
    ),
    (
        D,
        "logs",
        "describe_log_groups",
        {"logGroupNamePrefix": "/aws/lambda/upload"},
        "logGroups[].[logGroupName, retentionInDays, storedBytes]",
        [["/aws/lambda/upload-hook", 30, 12 * 2**30]],
    ),
    (
        P,
        "ec2",
        "describe_volumes",
        {"Filters": [{"Name": "status", "Values": ["available"]}]},
        "Volumes[].[Size, VolumeType, State]",
        [[800, "gp3", "available"]],
    ),
    (S, "dynamodb", "describe_limits", {}, "TableMaxWriteCapacityUnits", 40_000),
    (
        S,
        "dynamodb",
        "describe_table",
        {"TableName": "baskets"},
        "Table.[BillingModeSummary, ProvisionedThroughput.WriteCapacityUnits]",
        [None, 20],
    ),
]


@pytest.mark.parametrize(
    ("environment", "service", "operation", "params", "path", "expected"), CALLS, ids=[f"{c[1]} {c[2]}" for c in CALLS]
)
def test_an_operation_answers_as_boto3_reads_it(
    enter: Callable[[str], Client],
    environment: str,
    service: str,
    operation: str,
    params: dict[str, Any],
    path: str,
    expected: object,
) -> None:
    answer = getattr(enter(environment)(service), operation)(**params)
    assert jmespath.search(path, answer) == expected


def test_what_needs_an_id_from_another_call(enter: Callable[[str], Client]) -> None:
    shop, dhbw = enter(S), enter(D)
    elb = shop("elbv2")
    arn = elb.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
    groups = elb.describe_target_groups(LoadBalancerArn=arn)["TargetGroups"]
    assert [group["LoadBalancerArns"] for group in groups] == [[arn]]
    health = elb.describe_target_health(TargetGroupArn=groups[0]["TargetGroupArn"])["TargetHealthDescriptions"]
    assert [target["TargetHealth"]["State"] for target in health] == ["healthy"] * 6
    assert elb.describe_tags(ResourceArns=[arn])["TagDescriptions"][0]["Tags"][0]["Value"] == "shopai"
    rest = dhbw("apigateway")
    assert rest.get_stages(restApiId=rest.get_rest_apis()["items"][0]["id"])["item"][0]["stageName"] == "prod"
    http = shop("apigatewayv2")
    api = http.get_apis()["Items"][0]["ApiId"]
    assert (http.get_api(ApiId=api)["Name"], http.get_stages(ApiId=api)["Items"][0]["StageName"]) == (
        *("partner-events", "$default"),
    )
    cloudfront = shop("cloudfront")
    distribution = cloudfront.list_distributions()["DistributionList"]["Items"][0]["ARN"]
    assert cloudfront.list_tags_for_resource(Resource=distribution)["Tags"]["Items"][0]["Key"] == "customer"
    acm = dhbw("acm")
    certificate = acm.list_certificates()["CertificateSummaryList"][0]
    detail = acm.describe_certificate(CertificateArn=certificate["CertificateArn"])["Certificate"]
    assert detail["NotAfter"] == certificate["NotAfter"] > NOW + timedelta(days=55)
    assert acm.list_tags_for_certificate(CertificateArn=certificate["CertificateArn"])["Tags"][0]["Value"] == "dhbw"


def test_every_operation_is_asked_above_and_known_to_botocore() -> None:
    tested = {(service, operation.replace("_", "")) for _, service, operation, *_ in CALLS}
    by_hand = {
        *(("elbv2", "describetargethealth"), ("elbv2", "describetags"), ("apigateway", "getstages")),
        *(("apigatewayv2", "getapi"), ("apigatewayv2", "getstages"), ("cloudfront", "listtagsforresource")),
        *(("acm", "describecertificate"), ("acm", "listtagsforcertificate")),
    }
    from tests.replica.world.test_changes import REFUSED, STORY
    from tests.replica.world.test_guards import CALLS as GUARDS

    # tests/stories/test_sources.py
    by_hand |= {("health", "describeevents"), ("pi", "describedimensionkeys"), ("xray", "getservicegraph")}
    by_hand |= {("synthetics", "describecanaries"), ("synthetics", "describecanarieslastrun")}
    # tests/channels/test_sns_channel.py
    by_hand |= {("sns", "publish"), ("sns", "gettopicattributes"), ("sns", "getsmsattributes")}
    guards = {(service, operation.replace("_", "")) for _, service, operation, *_ in GUARDS}
    by_hand |= {("guardduty", name) for name in ("getdetector", "listfindings", "getfindings")} | guards
    by_hand |= {("s3control", "getpublicaccessblock")}
    changed = {(service, operation.replace("_", "")) for _, service, operation, *_ in [*STORY, *REFUSED]}
    changed = {one for one in changed if one[0] != "cloudwatch"}
    by_hand |= {("logs", "startquery"), ("logs", "getqueryresults"), ("logs", "stopquery")} | changed
    assert {(service, operation.lower()) for service, operation in resources.HANDLERS} == tested | by_hand
    session = botocore.session.get_session()
    for service, operation in {*resources.HANDLERS, *resources.MOTO_OPERATIONS}:
        assert operation in session.get_service_model(service).operation_names
    assert not resources.HANDLERS.keys() & resources.MOTO_OPERATIONS


PAGES: list[tuple[str, str, str, dict[str, Any], str]] = [
    (D, "ecs", "list_services", {"cluster": "lecture"}, "serviceArns[]"),
    (D, "lambda", "list_functions", {}, "Functions[].FunctionName"),
    (P, "rds", "describe_db_instances", {}, "DBInstances[].DBInstanceIdentifier"),
    (S, "elbv2", "describe_load_balancers", {}, "LoadBalancers[].LoadBalancerArn"),
    (S, "apigateway", "get_rest_apis", {}, "items[].id"),
    (S, "elasticache", "describe_cache_clusters", {}, "CacheClusters[].ARN"),
    (P, "dms", "describe_replication_tasks", {}, "ReplicationTasks[].ReplicationTaskArn"),
    (P, "batch", "describe_job_queues", {}, "jobQueues[].jobQueueName"),
    (P, "batch", "list_jobs", {"jobQueue": "feature-build", "jobStatus": "SUCCEEDED"}, "jobSummaryList[].jobId"),
    (P, "glue", "get_job_runs", {"JobName": "sessionise"}, "JobRuns[].Id"),
    (P, "glue", "get_crawlers", {}, "Crawlers[].Name"),
    (P, "ec2", "describe_instances", {}, "Reservations[].Instances[].InstanceId"),
    (P, "sqs", "list_queues", {}, "QueueUrls[]"),
    (S, "dynamodb", "list_tables", {}, "TableNames[]"),
    (S, "acm", "list_certificates", {}, "CertificateSummaryList[].CertificateArn"),
    (S, "cloudfront", "list_distributions", {}, "DistributionList.Items[].Id"),
    (D, "resourcegroupstaggingapi", "get_resources", {}, "ResourceTagMappingList[].ResourceARN"),
]


@pytest.mark.parametrize(
    ("environment", "service", "operation", "params", "path"), PAGES, ids=[f"{p[1]} {p[2]}" for p in PAGES]
)
def test_small_pages_add_up(
    enter: Callable[[str], Client],
    environment: str,
    service: str,
    operation: str,
    params: dict[str, Any],
    path: str,
) -> None:
    client = enter(environment)(service)
    each = 40 if operation in ("list_jobs", "get_job_runs", "get_resources") else 2
    each = 1 if service == "cloudfront" or service == "acm" else each
    paginator = client.get_paginator(operation)
    whole = list(paginator.paginate(**params).search(path))
    pages = list(paginator.paginate(**params, PaginationConfig={"PageSize": each}))
    small = [item for page in pages for item in jmespath.search(path, page) or ()]
    assert len(whole) > 1 or operation == "get_resources"
    assert small == whole == list(dict.fromkeys(whole))
    assert len(pages) == -(-len(whole) // each)


ERRORS: list[tuple[str, str, str, dict[str, Any], str]] = [
    (D, "ecs", "list_services", {"cluster": "no"}, "ClusterNotFoundException"),
    (D, "ecs", "describe_services", {"cluster": "lecture", "services": ["a"] * 11}, "InvalidParameterException"),
    (D, "ecs", "list_clusters", {"nextToken": "%%"}, "InvalidParameterException"),
    (D, "eks", "describe_cluster", {"name": "no"}, "ResourceNotFoundException"),
    (D, "lambda", "get_function", {"FunctionName": "no"}, "ResourceNotFoundException"),
    (D, "lambda", "list_functions", {"Marker": "bm8="}, "InvalidParameterValueException"),
    (D, "rds", "describe_db_instances", {"DBInstanceIdentifier": "no"}, "DBInstanceNotFound"),
    (D, "rds", "describe_db_clusters", {"DBClusterIdentifier": "no"}, "DBClusterNotFoundFault"),
    (D, "elasticache", "describe_cache_clusters", {"CacheClusterId": "no"}, "CacheClusterNotFound"),
    (D, "dynamodb", "describe_table", {"TableName": "no-table"}, "ResourceNotFoundException"),
    (D, "elbv2", "describe_load_balancers", {"Names": ["no"]}, "LoadBalancerNotFound"),
    (D, "elbv2", "describe_tags", {"ResourceArns": ["a"] * 21}, "ValidationError"),
    (D, "apigateway", "get_stages", {"restApiId": "no"}, "NotFoundException"),
    (D, "apigatewayv2", "get_apis", {"MaxResults": "many"}, "BadRequestException"),
    (D, "s3", "get_bucket_location", {"Bucket": "shopai-models"}, "NoSuchBucket"),
    (D, "batch", "list_jobs", {"jobQueue": "no"}, "ClientException"),
    (D, "glue", "get_job_runs", {"JobName": "no"}, "EntityNotFoundException"),
    (D, "ec2", "describe_instances", {"InstanceIds": ["i-00000000"]}, "InvalidInstanceID.NotFound"),
    (D, "ec2", "describe_instances", {"Filters": [{"Name": "colour", "Values": ["a"]}]}, "InvalidParameterValue"),
    (
        D,
        "acm",
        "describe_certificate",
        {"CertificateArn": "arn:aws:acm:eu-central-1:201000000001:certificate/1"},
        "ResourceNotFoundException",
    ),
    (
        D,
        "resourcegroupstaggingapi",
        "get_resources",
        {"ResourceARNList": ["a"], "ResourceTypeFilters": ["s3"]},
        "InvalidParameterException",
    ),
    (D, "ec2", "describe_vpcs", {}, "NotImplementedException"),
]


@pytest.mark.parametrize(
    ("environment", "service", "operation", "params", "code"), ERRORS, ids=[f"{e[1]} {e[2]} {e[4]}" for e in ERRORS]
)
def test_errors_are_those_of_aws(
    enter: Callable[[str], Client], environment: str, service: str, operation: str, params: dict[str, Any], code: str
) -> None:
    with pytest.raises(ClientError) as raised:
        getattr(enter(environment)(service), operation)(**params)
    assert raised.value.response["Error"]["Code"] == code


def metric_names(world: World, account: str, region: str, namespace: str, **dims: str) -> set[str]:
    wanted = tuple(sorted(dims.items()))
    found = world.series(account, region)
    return {s.name for s in found if isinstance(s, SeriesId) and (s.namespace, s.dimensions) == (namespace, wanted)}


def test_what_is_described_is_measured_under_the_dimensions_that_follow_from_it(
    enter: Callable[[str], Client], world: World
) -> None:
    dhbw, shop, data = enter(D), enter(S), enter(P)
    frankfurt, virginia, lake = (
        ("201000000001", "eu-central-1"),
        ("301000000001", "us-east-1"),
        ("302000000001", "eu-central-1"),
    )
    for arn in dhbw("ecs").list_services(cluster="lecture")["serviceArns"]:
        *_, cluster, service = arn.split("/")
        assert len(metric_names(world, *frankfurt, "AWS/ECS", ClusterName=cluster, ServiceName=service)) == 2
    for alb in shop("elbv2").describe_load_balancers()["LoadBalancers"]:
        balancer = alb["LoadBalancerArn"].split(":loadbalancer/")[1]
        assert len(metric_names(world, *virginia, "AWS/ApplicationELB", LoadBalancer=balancer)) == 3
    for group in shop("elbv2").describe_target_groups()["TargetGroups"]:
        target = group["TargetGroupArn"].rsplit(":", 1)[1]
        balancer = group["LoadBalancerArns"][0].split(":loadbalancer/")[1]
        names = metric_names(world, *virginia, "AWS/ApplicationELB", LoadBalancer=balancer, TargetGroup=target)
        assert names == {"HealthyHostCount", "UnHealthyHostCount"}
    for database in shop("rds").describe_db_instances()["DBInstances"]:
        names = metric_names(world, *virginia, "AWS/RDS", DBInstanceIdentifier=database["DBInstanceIdentifier"])
        assert names == {"CPUUtilization", "DatabaseConnections", "ReadLatency", "WriteLatency"}
    for task in data("dms").describe_replication_tasks()["ReplicationTasks"]:
        instance = task["ReplicationInstanceArn"].rsplit(":", 1)[1]
        dims = {
            "ReplicationInstanceIdentifier": instance,
            "ReplicationTaskIdentifier": task["ReplicationTaskIdentifier"],
        }
        assert len(metric_names(world, *lake, "AWS/DMS", **dims)) == 2
    for page in shop("cloudfront").list_distributions()["DistributionList"]["Items"]:
        assert len(metric_names(world, *virginia, "AWS/CloudFront", DistributionId=page["Id"], Region="Global")) == 4
    for reservation in data("ec2").describe_instances()["Reservations"]:
        machine = reservation["Instances"][0]["InstanceId"]
        assert len(metric_names(world, *lake, "AWS/EC2", InstanceId=machine)) == 2
        disk = {"InstanceId": machine, "path": "/", "device": "nvme0n1p1", "fstype": "xfs"}
        assert metric_names(world, *lake, "CWAgent", **disk) == {"disk_used_percent"}


def test_the_tagging_api_and_the_describe_calls_say_the_same(enter: Callable[[str], Client]) -> None:
    data = enter(P)
    mapping = data("resourcegroupstaggingapi").get_paginator("get_resources").paginate()
    by_arn = {one["ResourceARN"]: one["Tags"] for page in mapping for one in page["ResourceTagMappingList"]}
    for database in data("rds").describe_db_instances()["DBInstances"]:
        assert by_arn[database["DBInstanceArn"]] == database["TagList"]
    for crawler in data("glue").get_crawlers()["Crawlers"]:
        assert f"arn:aws:glue:eu-central-1:302000000001:crawler/{crawler['Name']}" in by_arn


@pytest.mark.parametrize("hours", [0, 5, 11, 17, 20 * 24])
def test_what_describe_calls_show_of_an_incident_is_there_at_any_time(hours: int) -> None:
    now = NOW + timedelta(hours=hours, minutes=13)
    with embedded(now) as (_, enter):
        service = enter("unilux-prod")("ecs").describe_services(cluster="lecture", services=["quiz-api"])["services"][0]
        assert (service["runningCount"], service["desiredCount"]) == (0, 3)
        assert service["deployments"][0]["rolloutState"] == "IN_PROGRESS"
        assert timedelta(minutes=40) <= now - service["deployments"][0]["createdAt"] < timedelta(minutes=45)
        data = enter(P)
        day_ago = str(int((now - timedelta(days=1)).timestamp() * 1000))
        jobs = data("batch").list_jobs(
            jobQueue="nightly-aggregates", filters=[{"name": "AFTER_CREATED_AT", "values": [day_ago]}]
        )["jobSummaryList"]
        failed = [job for job in jobs if job["status"] == "FAILED"]
        assert 3 <= len(failed) < len(jobs) / 2
        assert all(job["container"]["exitCode"] == 1 and job["startedAt"] < job["stoppedAt"] for job in failed)
        runs = data("glue").get_job_runs(JobName="sessionise", MaxResults=24)["JobRuns"]
        assert any(run["JobRunState"] == "FAILED" and run["ErrorMessage"] for run in runs)
        crawlers = {one["Name"]: one["LastCrawl"] for one in data("glue").get_crawlers()["Crawlers"]}
        assert [name for name, crawl in crawlers.items() if crawl["Status"] == "FAILED"] == ["bronze-erp"]
        assert timedelta(0) <= now - crawlers["bronze-erp"]["StartTime"] < timedelta(days=1)
        certificates = enter("gva-prod")("acm").list_certificates()["CertificateSummaryList"]
        left = {one["DomainName"]: one["NotAfter"] - now for one in certificates}
        assert timedelta(days=7, hours=12) < left["sso.gva.example.org"] < timedelta(days=8, hours=1)
        assert left["*.gva.example.org"] > timedelta(days=55)
        functions = {f["FunctionName"]: f for f in enter("edt-prod")("lambda").list_functions()["Functions"]}
        deployed = datetime.fromisoformat(functions["grade-export"]["LastModified"])
        assert timedelta(hours=2) <= now - deployed < timedelta(hours=2, minutes=5)


def test_moto_answers_what_is_left_to_it_and_mail_may_be_sent(world: World) -> None:
    resources.seed(world)
    with server.serve(world, now=lambda: NOW) as running:
        demo = {"aws_access_key_id": "demo", "aws_secret_access_key": "demo", "region_name": "eu-central-1"}
        ses = boto3.client("ses", endpoint_url=running.url, **demo)
        text = {"Subject": {"Data": "report"}, "Body": {"Text": {"Data": "all well"}}}
        sent = ses.send_email(Source=resources.SENDER, Destination={"ToAddresses": ["a@example.org"]}, Message=text)
        assert sent["MessageId"]
        sqs = boto3.client("sqs", endpoint_url=running.url, **demo)
        queue = sqs.create_queue(QueueName="alarms")["QueueUrl"]
        sqs.send_message(QueueUrl=queue, MessageBody="hello")
        assert [m["Body"] for m in sqs.receive_message(QueueUrl=queue)["Messages"]] == ["hello"]
        assert running.unknown == []
